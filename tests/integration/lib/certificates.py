"""Certificates for the tests, made with the openssl command line on first use."""

import pathlib
import ssl
import subprocess

from .waiting import PATIENCE


class CertificateFactory:
    """One authority ("ca") and what it signed, as PEM files in `directory`."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.made = {}
        self.ca = self.authority("ca")

    def path(self, name):
        return str(self.directory / name)

    def authority(self, name):
        """A self-signed CA; returns the certificate's path."""
        self.openssl("req", "-x509", *self.new_key(name), "-subj", f"/CN=Test {name}",
                     "-days", "3", "-out", f"{name}.pem",
                     "-addext", "basicConstraints=critical,CA:TRUE",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        return self.path(f"{name}.pem")

    def leaf(self, *names, ca="ca", usage="serverAuth,clientAuth", expired=False):
        """{"cert", "key"} for the DNS names (or "IP:..." entries) given; cached."""
        wanted = (names, ca, usage, expired)
        if wanted not in self.made:
            self.made[wanted] = self.make_leaf(f"leaf{len(self.made)}", *wanted)
        return self.made[wanted]

    def make_leaf(self, stem, names, ca, usage, expired):
        entries = ",".join(n if n.startswith("IP:") else f"DNS:{n}" for n in names)
        self.openssl("req", *self.new_key(stem), "-subj", f"/CN={names[0][:60]}",
                     "-out", f"{stem}.csr")
        (self.directory / f"{stem}.ext").write_text(
            f"subjectAltName={entries}\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n")
        validity = ["-days", "-1"] if expired else ["-days", "3"]
        self.openssl("x509", "-req", "-in", f"{stem}.csr", "-CA", f"{ca}.pem", "-CAkey",
                     f"{ca}.key", "-CAcreateserial", *validity, "-extfile", f"{stem}.ext",
                     "-out", f"{stem}.pem")
        return {"cert": self.path(f"{stem}.pem"), "key": self.path(f"{stem}.key")}

    @staticmethod
    def new_key(stem):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", f"{stem}.key"]

    def openssl(self, *arguments):
        result = subprocess.run(["openssl", *arguments], cwd=self.directory, capture_output=True,
                                text=True, timeout=60 * PATIENCE, check=False)
        assert result.returncode == 0, result.stderr

    def client_context(self, client=None, ca=None, verify=True):
        """For RawClient: trusts our authority; `client` is a leaf to show to the server."""
        context = ssl.create_default_context(cafile=ca or self.ca)
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if client:
            context.load_cert_chain(client["cert"], client["key"])
        return context

    def server_context(self, leaf, client_ca=None):
        """For ScriptedBackend."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf["cert"], leaf["key"])
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context
