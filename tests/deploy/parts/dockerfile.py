"""A Dockerfile read for what it says, and carried out where no container builder can work.

Only what docker/Dockerfile uses is known: FROM ... AS, ARG, ENV, WORKDIR, COPY [--from], RUN, USER,
and what is merely noted down for whoever runs the image. An instruction that is not known is an
error: the Dockerfile must not say what nobody tests.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil

NOTED = {"EXPOSE", "STOPSIGNAL", "LABEL", "HEALTHCHECK", "ENTRYPOINT", "CMD", "USER"}


def instructions(text):
    """(word, rest) of each; comment lines fall out, continued lines are joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), rest.strip()


def base_images(text):
    """Names of images that have to be there before the first instruction is carried out."""
    stages, needed = set(), []
    for word, rest in instructions(text):
        if word == "FROM":
            name, *more = rest.split()
            if name not in stages and name != "scratch":
                needed.append(name)
            stages.update(more[1:])
    return needed


class Ignored:
    """.dockerignore: patterns from the context's root; `**/` is any number of folders."""

    def __init__(self, text):
        lines = (line.strip() for line in text.splitlines())
        self.patterns = [line.strip("/") for line in lines if line and not line.startswith("#")]

    def __call__(self, path):
        """Whether `path`, relative to the context, is left out."""
        for pattern in self.patterns:
            if pattern.startswith("**/"):
                if fnmatch.fnmatchcase(os.path.basename(path), pattern[3:]):
                    return True
            elif fnmatch.fnmatchcase(path, pattern):
                return True
        return False

    def copytree_filter(self, top):
        """For shutil.copytree."""
        def left_out(folder, names):
            inside = os.path.relpath(folder, top)
            return {name for name in names if self(os.path.normpath(os.path.join(inside, name)))}
        return left_out


class Stage:
    """One FROM: a root file system, and what was said about it."""

    def __init__(self, path, root):
        self.path, self.root = path, root
        self.workdir = "/"
        self.variables, self.environment = {}, {}
        self.noted = {}

    def inside(self, path):
        whole = os.path.normpath(os.path.join(self.workdir, path))
        return self.path / whole.lstrip("/")

    def substitute(self, text):
        known = {**self.variables, **self.environment}
        return re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda m: known.get(m[1] or m[2], ""), text)


class Interpreter:
    """Carries a Dockerfile out with chroot. `make_root(name)` gives Debian roots, `empty(name)` empty
    folders; `tell(line)` hears of every step."""

    def __init__(self, context, make_root, empty, tell=print):
        self.context = context
        self.make_root, self.empty, self.tell = make_root, empty, tell
        ignore = context / ".dockerignore"
        self.ignored = Ignored(ignore.read_text() if ignore.exists() else "")
        self.stages = {}

    def build(self, text):
        """The last stage."""
        stage = None
        for word, rest in instructions(text):
            self.tell(f"{word} {rest}")
            if word == "FROM":
                stage = self._from(rest)
            elif word in NOTED:
                stage.noted[word] = stage.substitute(rest) if word != "HEALTHCHECK" else rest
            else:
                getattr(self, f"_{word.lower()}")(stage, rest)
        return stage

    def _from(self, rest):
        image, *alias = rest.split()
        name = alias[1] if alias else f"stage{len(self.stages)}"
        if image == "scratch":
            stage = Stage(self.empty(name), None)
        else:
            assert image.startswith("debian:bookworm"), f"there is no root for {image}"
            root = self.make_root(name)
            stage = Stage(root.path, root)
        self.stages[name] = stage
        return stage

    @staticmethod
    def _arg(stage, rest):
        name, _, value = rest.partition("=")
        stage.variables.setdefault(name, value)

    @staticmethod
    def _env(stage, rest):
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            stage.environment[name] = stage.substitute(value)

    @staticmethod
    def _workdir(stage, rest):
        stage.workdir = os.path.join(stage.workdir, stage.substitute(rest))
        stage.inside(".").mkdir(parents=True, exist_ok=True)

    @staticmethod
    def _run(stage, rest):
        given = [f"{name}={value}" for name, value in stage.environment.items()]
        line = f"cd {shlex.quote(stage.workdir)} && {rest}"
        stage.root.run("env", *given, "/bin/sh", "-c", line)

    def _copy(self, stage, rest):
        words = stage.substitute(rest).split()
        options = [word for word in words if word.startswith("--")]
        *sources, target = [word for word in words if word not in options]
        for source in sources:
            if options:
                origin = self.stages[options[0].removeprefix("--from=")]
                self._put(origin.inside(source), stage.inside(target), None)
            else:
                self._put(self.context / source, stage.inside(target),
                          self.ignored.copytree_filter(self.context))

    @staticmethod
    def _put(source, target, left_out):
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=left_out,
                            copy_function=_copy_with_owner)
            for folder, names, _ in os.walk(source):
                for name in [".", *names]:
                    _own(os.path.join(folder, name),
                         target / os.path.relpath(os.path.join(folder, name), source))
        else:
            target.mkdir(parents=True, exist_ok=True)
            _copy_with_owner(source, target / source.name)


def _own(source, target):
    if os.path.isdir(target) and not os.path.islink(target):
        owner = os.stat(source)
        os.chown(target, owner.st_uid, owner.st_gid)


def _copy_with_owner(source, target):
    shutil.copy2(source, target, follow_symlinks=False)
    owner = os.lstat(source)
    os.lchown(target, owner.st_uid, owner.st_gid)


def words_of(text):
    """ENTRYPOINT and CMD in their JSON form, the only one without a shell."""
    return json.loads(text)


def healthcheck_words(text):
    return json.loads(text[text.index("CMD") + 3:])
