"""A network to an ONNX file, and what is measured on the way."""
