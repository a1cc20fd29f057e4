"""A full-screen program in a pseudo-terminal of 160x45, as the benches drive and measure it. Linux only."""
import fcntl, os, pty, select, signal, struct, sys, termios, time


class Program:
    def __init__(self, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", LANG="C.UTF-8")
            os.execvp(command[0], command)
        self.said = b""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 160, 0, 0))

    def send(self, keys):
        os.write(self.fd, keys)

    def read(self, limit, size=1 << 16):
        """What comes within `limit` seconds, `size` bytes at most; nothing when nothing comes. Says where the cursor is when asked."""
        if not select.select([self.fd], [], [], max(0, limit))[0]:
            return b""
        try:
            data = os.read(self.fd, size)
        except OSError:
            sys.exit("the program ended:\n" + self.said.decode(errors="replace"))
        self.said = (self.said + data)[-2000:]
        if b"\x1b[6n" in data:
            self.send(b"\x1b[1;1R")
        return data

    def drain(self, seconds):
        """Everything that comes within so many seconds."""
        end, data = time.monotonic() + seconds, bytearray()
        while (left := end - time.monotonic()) > 0:
            data += self.read(left)
        return bytes(data)

    def cpu(self):
        """Seconds of a processor that it has taken itself."""
        fields = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, key="VmHWM"):
        """A line of its status in MiB; the peak of what was resident unless another is named."""
        lines = open(f"/proc/{self.pid}/status")
        return next(int(line.split()[1]) for line in lines if line.startswith(key + ":")) / 1024

    def end(self):
        os.kill(self.pid, signal.SIGTERM)
        for _ in range(30):
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return
            time.sleep(0.1)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
