"""What spaCy finds in a pipeline: components, callbacks, loggers, and looking into them."""
