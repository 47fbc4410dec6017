"""What the groups of a proxy are at, asked again and again over one session as PROTOCOL.md section 11 says, also while
the proxy is killed and started again."""
import msgpack

from durable_member import Session, SessionLost


class GroupWatch:
    def __init__(self, control):
        self.session = Session(control, "")
        self.is_open = False

    def figures(self):
        """All groups at one moment, by name."""
        while True:
            try:
                if not self.is_open:
                    self.session.open()
                    self.is_open = True
                self.session.send("admin", "groups", "")
                kind, fields, _ = self.session.receive(2000)
                if kind == "admin_reply":
                    return {group["name"]: group for group in msgpack.unpackb(fields[1])}
            except SessionLost:
                pass
            self.is_open = False

    def log_end(self):
        """Events in the log; 0 before there is a group."""
        return max((group["end"] for group in self.figures().values()), default=0)
