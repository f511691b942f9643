"""The inference service: text in, sparse activations out, over private HTTP. It knows no catalog and no jobs."""
