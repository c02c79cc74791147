"""The server on this machine: the gate in front of every request, the routes behind it, and the socket."""
