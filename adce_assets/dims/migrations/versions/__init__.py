"""The steps, oldest first: each a revision, and the one that it follows. One that was released is not changed."""
