"""What the loop has found and done in, the pages that people look at out."""
