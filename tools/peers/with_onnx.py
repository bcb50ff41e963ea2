"""ONNX Runtime and OpenVINO as peers, both from the same ONNX graphs."""

from collections.abc import Callable

import numpy as np
from onnx import ModelProto

import graph_collaba
import graph_lacr_vae
import graphs
from works import Task, channels_last

Prepared = tuple[Callable[[], object], Callable[[object], np.ndarray]]


def model(task: Task) -> ModelProto:
    shape = task.input().shape
    if task.work == "scl-lle":
        return graphs.scl_lle(shape, task.network())
    if task.work == "lacr-vae":
        return graph_lacr_vae.model(shape, task.network())
    if task.work == "collaba-s-x2":
        return graph_collaba.model(shape, task.network())
    if task.work == "conv3x3":
        return graphs.conv3x3(shape, task.layers())
    if task.work in ("conv1x1", "depthwise3x3"):
        [(weight, bias)] = task.layers()
        return graphs.conv(shape, weight, bias, group=64 // weight.shape[1])
    if task.work == "bilinear":
        return graphs.bilinear(shape)
    if task.work == "layer-norm":
        return graphs.layer_norm(shape, *task.layers()[0])
    raise ValueError(f"{task.work} has no graph")


def prepare_onnxruntime(task: Task) -> Prepared:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.n_threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(model(task).SerializeToString(), options, providers)
    # Bound once, so that nothing is copied in a run.
    binding = session.io_binding()
    source = onnxruntime.OrtValue.ortvalue_from_numpy(task.input())
    binding.bind_ortvalue_input("input", source)
    binding.bind_output("output", "cpu")

    def run() -> object:
        session.run_with_iobinding(binding)
        return binding

    return run, lambda binding: channels_last(binding.copy_outputs_to_cpu()[0])


def prepare_openvino(task: Task) -> Prepared:
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(model(task).SerializeToString()),
        "CPU",
        {
            "INFERENCE_NUM_THREADS": task.n_threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": task.precision,
            "CPU_DENORMALS_OPTIMIZATION": True,
        },
    )
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(task.input()))

    def run() -> object:
        request.infer()
        return request

    return run, lambda request: channels_last(request.get_output_tensor().data)
