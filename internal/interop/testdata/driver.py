"""Python's ftplib behind the line protocol of driver_test.go."""

import ftplib
import os
import ssl
import sys
from urllib.parse import quote_plus, unquote_plus

host, port, user, password, ca, mode, tls, prot = sys.argv[1:]


class ImplicitFTPS(ftplib.FTP_TLS):
    """The well-known subclass: the socket is wrapped before the greeting."""

    _sock = None

    @property
    def sock(self):
        return self._sock

    @sock.setter
    def sock(self, value):
        if value is not None and not isinstance(value, ssl.SSLSocket):
            value = self.context.wrap_socket(value, server_hostname=self.host)
        self._sock = value


def context():
    ctx = ssl.create_default_context(cafile=ca)
    version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[tls]
    ctx.minimum_version = ctx.maximum_version = version
    return ctx


def connect():
    if mode == "plain":
        ftp = ftplib.FTP(timeout=30)
    elif mode == "explicit":
        ftp = ftplib.FTP_TLS(context=context(), timeout=30)
    else:
        ftp = ImplicitFTPS(context=context(), timeout=30)
    ftp.connect(host, int(port))
    ftp.login(user, password)
    if mode != "plain":
        ftp.voidcmd("PBSZ 0")  # prot_c alone does not send it, RFC 4217 section 9 wants it
        ftp.prot_p() if prot == "P" else ftp.prot_c()
    return ftp


def put(local, remote):
    with open(local, "rb") as f:
        ftp.storbinary("STOR " + remote, f)


def get(remote, local):
    with open(local, "wb") as f:
        ftp.retrbinary("RETR " + remote, f.write)


def resumeput(local, remote):
    ftp.voidcmd("TYPE I")
    at = ftp.size(remote)
    with open(local, "rb") as f:
        f.seek(at)
        ftp.storbinary("STOR " + remote, f, rest=at)


def resumeget(remote, local):
    with open(local, "ab") as f:
        ftp.retrbinary("RETR " + remote, f.write, rest=f.tell())


def names(directory):
    return [name for name, facts in ftp.mlsd(directory) if facts["type"] not in ("cdir", "pdir")]


def reply():
    """Reads the reply that ftplib leaves unread when a data connection breaks."""
    return [ftp.getmultiline()]


verbs = {
    "put": put,
    "get": get,
    "resumeput": resumeput,
    "resumeget": resumeget,
    "list": names,
    "rename": lambda a, b: ftp.rename(a, b),
    "remove": lambda a: ftp.delete(a),
    "mkdir": lambda a: ftp.mkd(a),
    "rmdir": lambda a: ftp.rmd(a),
    "reply": reply,
}


def answer(*words):
    print(*(quote_plus(w) for w in words), flush=True)


ftp = connect()
answer("ok")
for line in sys.stdin:
    verb, *args = (unquote_plus(w) for w in line.split())
    try:
        result = verbs[verb](*args)
    except (ftplib.Error, OSError, EOFError) as e:
        answer("err", repr(e))
        continue
    answer("ok", *(result if isinstance(result, list) else []))
ftp.quit()
