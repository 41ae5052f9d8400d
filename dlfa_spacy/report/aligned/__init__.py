"""What aligning an encoder changed: retrieval and CKA before and after, and zero-shot scores."""
