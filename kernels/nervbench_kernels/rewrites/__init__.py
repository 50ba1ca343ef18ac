"""Rules that turn an ONNX graph into another one of the same meaning. Nothing here imports nervbench."""
