"""Files: written all or nothing, read with errors that name the line, and tables in them."""
