"""A mail server of a few lines on loopback: it keeps what it is given and answers as it is told to."""

import email
import email.policy
import socketserver
import threading
from email.message import EmailMessage


class _Dialogue(socketserver.StreamRequestHandler):
    server: "Mailbox"

    def handle(self) -> None:
        self.say(220, "here")
        while line := self.rfile.readline():
            word = line.split(b" ")[0].strip().upper()
            if word == b"EHLO":
                self.say(250, "here")
            elif word == b"MAIL":
                self.say(*self.server.on_mail)
            elif word == b"RCPT":
                self.say(*self.server.on_recipient)
            elif word == b"DATA":
                self.say(354, "go on")
                self.server.keep(self.content())
                self.say(250, "kept")
            elif word == b"QUIT":
                self.say(221, "bye")
                return
            else:
                self.say(250, "ok")

    def content(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def say(self, code: int, text: str) -> None:
        self.wfile.write(f"{code} {text}\r\n".encode())


class Mailbox(socketserver.ThreadingTCPServer):
    """Use as a context manager; `mails` are what came in."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Dialogue)
        self.mails: list[EmailMessage] = []
        self.on_mail = (250, "ok")
        self.on_recipient = (250, "ok")

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def keep(self, content: bytes) -> None:
        found = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        self.mails.append(found)

    def __enter__(self) -> "Mailbox":
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
