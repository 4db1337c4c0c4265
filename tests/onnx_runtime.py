"""What ONNX Runtime makes of a graph: on one thread, and without its log."""

import numpy as np
import pytest


def onnx_outputs(model, X, kind=np.float32):
    """Outputs of a file, or of a serialised graph, at X as of this kind."""
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"X": X.astype(kind)})
