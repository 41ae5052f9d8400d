"""A pipeline trained on what another one says: `dlfa distill`."""
