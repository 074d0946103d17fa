"""The two backends, onnxruntime and torch, behind one protocol."""
