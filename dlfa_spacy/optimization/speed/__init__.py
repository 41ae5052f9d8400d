"""How fast a pipeline is, beside its own bare encoder."""
