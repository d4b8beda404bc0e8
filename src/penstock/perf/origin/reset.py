"""Making a TCP connection end in a RST instead of a FIN, and knowing when that no longer discards sent bytes."""

from __future__ import annotations

import fcntl
import socket
import struct

_LINGER_RESET = struct.pack("ii", 1, 0)
_SIOCOUTQNSD = 0x894B  # Linux: bytes in the send queue that were not sent yet


def arm_reset(plain_socket: socket.socket) -> None:
    """Make the next close send RST: lingering switched on for no time at all (socket(7), SO_LINGER)."""
    plain_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)


def count_unsent_bytes(plain_socket: socket.socket) -> int:
    """Bytes the kernel has taken and not yet put on the wire; a RST would discard them. 0 where it cannot be asked."""
    try:
        (unsent,) = struct.unpack("i", fcntl.ioctl(plain_socket.fileno(), _SIOCOUTQNSD, bytes(4)))
    except OSError:
        return 0
    return int(unsent)
