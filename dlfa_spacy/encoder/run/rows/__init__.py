"""How each kind of encoder computes on packed rows."""
