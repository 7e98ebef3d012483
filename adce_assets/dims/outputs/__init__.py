"""What is known of the metrics in, the forms in which people and machines read it out."""
