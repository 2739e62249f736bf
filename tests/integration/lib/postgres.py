"""PostgreSQL, a primary and its streaming standby, in directories and on ports of their own.

    with PostgresPair() as pair:
        pair.primary.address, pair.standby.address     # "127.0.0.1:41234"
        pair.primary.query("SELECT 1")                 # as superuser, over the Unix socket
        pair.kill_primary(); pair.promote()            # kill -9; the standby takes over

Users: "postgres" needs no password, "probe" (password PROBE_PASSWORD) needs one over TCP: SCRAM.
initdb refuses root, so the servers run as user postgres, or nobody, when the tests are root's.
"""

import atexit
import os
import pathlib
import shutil
import signal
import subprocess

from .unprivileged import OwnProcess, OwnServer, PrivateRoom, other_user
from .waiting import DEADLINE_S, wait_until

PROBE_USER = "probe"
PROBE_PASSWORD = "correct horse"

#: Small, quick to stop, and no harm if the machine fails: the data lives as long as the test.
SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{room}'
max_connections = 20
shared_buffers = '4MB'
dynamic_shared_memory_type = mmap
min_wal_size = '2MB'
fsync = off
full_page_writes = off
autovacuum = off
wal_keep_size = '16MB'
wal_retrieve_retry_interval = '100ms'
log_line_prefix = '%t [%p] '
log_checkpoints = off
{more}
"""

#: `connection` is "host", or "hostssl" to refuse plain text; `method` is the probe user's.
HBA = """
local        all         all               trust
{connection} all         {user}    127.0.0.1/32 {method}
{connection} all         postgres 127.0.0.1/32 trust
host         replication postgres 127.0.0.1/32 trust
"""


def program(name):
    """Of the newest PostgreSQL that is installed where Debian puts it."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"),
                   key=lambda path: int(path.parts[4]))
    assert found, "PostgreSQL is not installed: scripts/install-deps.sh test"
    return str(found[-1])


def user():
    return other_user("postgres", "nobody")


def run(*command):
    result = subprocess.run([program(command[0]), *map(str, command[1:])], capture_output=True,
                            text=True, cwd="/", timeout=DEADLINE_S * 2, check=False, **user())
    assert result.returncode == 0, f"{command}:\n{result.stdout}{result.stderr}"
    return result.stdout


class Template:
    """An initialised database directory: initdb costs seconds, a copy of it nothing."""

    room = None

    @classmethod
    def path(cls):
        if cls.room is None:
            cls.room = PrivateRoom("evergate-initdb-", user())
            atexit.register(cls.room.close)
            run("initdb", "-D", cls.room.path / "data", "-U", "postgres", "-A", "trust",
                "-E", "UTF8", "--locale=C", "--wal-segsize=1", "--no-sync")
        return cls.room.path / "data"


class PostgresServer(OwnServer):
    """One server. Its data directory is there; SIGINT is its fast shutdown."""

    PORT_TAKEN = "could not bind"
    STOP_SIGNAL = signal.SIGINT

    def __init__(self, room, name, more=""):
        super().__init__(room, name)
        self.data = room.path / name
        self.more = more
        self.login = {"connection": "host", "user": PROBE_USER, "method": "scram-sha-256"}

    @property
    def unix_address(self):
        return f"unix:{self.room.path}/.s.PGSQL.{self.port}"

    def configure(self, more):
        """Settings beyond SETTINGS; they hold from the next start on."""
        self.more = more

    def write_settings(self):
        text = SETTINGS.format(port=self.port, room=self.room.path, more=self.more)
        self.room.write(f"{self.name}/postgresql.conf", text)
        self.room.write(f"{self.name}/pg_hba.conf", HBA.format(**self.login))

    def spawn(self):
        """Starts it without waiting until it answers."""
        self.write_settings()
        environment = {**os.environ, "LC_ALL": "C"}
        self.child = OwnProcess([program("postgres"), "-D", self.data], self.room,
                                f"{self.name}.log", environment)

    def answers(self):
        return self.psql("SELECT 1").returncode == 0

    def psql(self, sql):
        return subprocess.run(
            [program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h",
             str(self.room.path), "-p", str(self.port), "-U", "postgres", "-d", "postgres", "-c",
             sql],
            capture_output=True, text=True, cwd="/", timeout=DEADLINE_S, check=False, **user())

    def query(self, sql):
        result = self.psql(sql)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def change_login(self, **login):
        """connection="hostssl", method="md5": for logins from now on."""
        self.login.update(login)
        self.write_settings()
        self.query("SELECT pg_reload_conf()")

    def is_standby(self):
        return self.query("SELECT pg_is_in_recovery()") == "t"

    def kill(self):
        """kill -9 of the postmaster; its children find out by themselves and end."""
        lock = (self.data / "postmaster.pid").read_text().splitlines()
        super().kill()
        # Nobody is left to remove the segment that guards the data directory. The last word of
        # the file's seventh line is its number.
        subprocess.run(["ipcrm", "-m", lock[6].split()[-1]], capture_output=True, check=False)


class PostgresPair:
    """A primary and a standby made from it by pg_basebackup -R; both run when it is made."""

    def __init__(self, with_standby=True, primary_settings="", standby_settings=""):
        self.room = PrivateRoom("evergate-pg-", user())
        self.primary = PostgresServer(self.room, "primary", primary_settings)
        self.standby = PostgresServer(self.room, "standby", standby_settings)
        try:
            self.start(with_standby)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self.stop()

    def start(self, with_standby):
        self.copy(Template.path(), self.primary.data)
        self.primary.start()
        self.primary.query(f"CREATE ROLE {PROBE_USER} LOGIN PASSWORD '{PROBE_PASSWORD}';"
                           " CREATE TABLE story (line text)")
        if with_standby:
            self.rebuild(self.standby, self.primary)

    def copy(self, source, target):
        shutil.copytree(source, target, symlinks=True)
        for path in [target, *target.rglob("*")]:
            self.room.give(path)
        target.chmod(0o700)

    def rebuild(self, server, source):
        """Makes `server` (stopped) a standby of `source` from scratch."""
        shutil.rmtree(server.data, ignore_errors=True)
        run("pg_basebackup", "-D", server.data, "-h", "127.0.0.1", "-p", source.port, "-U",
            "postgres", "-R", "-X", "stream", "--checkpoint=fast", "--no-sync")
        server.start()
        wait_until(lambda: self.streams(server), f"{server.name} streams")

    @staticmethod
    def streams(server):
        return server.query("SELECT count(*) FROM pg_stat_wal_receiver"
                            " WHERE status = 'streaming'") == "1"

    def kill_primary(self):
        self.primary.kill()

    def promote(self):
        """The standby becomes a primary: pg_ctl promote, which waits until it is."""
        run("pg_ctl", "promote", "-D", self.standby.data, "-w", "-t", int(DEADLINE_S))

    def pause_replay(self):
        self.standby.query("SELECT pg_wal_replay_pause()")

    def resume_replay(self):
        self.standby.query("SELECT pg_wal_replay_resume()")

    def write(self, text="line"):
        self.primary.query(f"INSERT INTO story VALUES ('{text}')")

    def caught_up(self):
        """The standby replayed all that the primary has written."""
        end = self.primary.query("SELECT pg_current_wal_lsn()")
        return self.standby.query(f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == "t"

    def stop(self):
        self.standby.stop()
        self.primary.stop()
        self.room.close()
