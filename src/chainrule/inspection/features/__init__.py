"""Features: the inputs to which neurons respond, and the information encoded in layers' outputs."""
