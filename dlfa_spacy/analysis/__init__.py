"""Why transfer works: what the layers of an encoder share between languages, and what is read."""
