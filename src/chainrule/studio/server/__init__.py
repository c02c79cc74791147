"""The server on this machine: the gate that every request passes, the routes behind it, and the socket."""
