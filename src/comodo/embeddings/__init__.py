"""Teacher embeddings: encoding clips, the embedding store, anchors (embeddings.smk)."""
