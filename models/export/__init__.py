"""Export of a network to an ONNX file, and quantisation to int8."""
