"""Teacher embeddings: encoding of clips, the embedding store and anchors (embeddings.smk)."""
