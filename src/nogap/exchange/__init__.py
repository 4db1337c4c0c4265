"""To and from other frameworks: PyTorch, ONNX, scikit-learn's networks, C99 source."""
