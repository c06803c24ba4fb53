"""The HTTP edge: three listeners, one server, one mapping from errors to answers, and who may call what."""
