"""Results to read: Markdown, CSV, plots, one HTML page, model cards."""
