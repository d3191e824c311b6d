"""What a model is: safe loading, sites, the closed set of edits, clean-up.

The only room that imports onnx, onnx_ir and onnxscript. It may import errors, numerics, store and
isolate.
"""
