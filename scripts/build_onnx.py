"""Builds the ONNX graph of all-MiniLM-L6-v2 from its weights, quantises it and checks both.

Runs inside the environment that prepare_model.py makes, which calls it as `build` (writes the
float32 and the int8 model) and then as `check` (compares both with the reference vectors; exits
with 1 and one sentence when either is too far off).
"""

import argparse
import json
import logging
import statistics
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
# Opset 20 appeared with IR version 9; a newer one would only shut out older runtimes.
IR_VERSION = 9
# Tokens, counting [CLS] and [SEP]; the limit that the model was trained and published with.
MAX_LENGTH = 256
# A float32 graph that is right differs from the reference by rounding alone, so anything below
# this is a mistake in the graph. The int8 bounds are what per-channel quantisation reaches with
# a little room; per-tensor quantisation fails them.
FLOAT_WORST = 0.9999
INT8_WORST = 0.97
INT8_MEDIAN = 0.99


class Graph:
    """Nodes and weights of a graph under construction; every method returns the output's name."""

    def __init__(self):
        self.nodes = []
        self.weights = []

    def weight(self, name, array):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def ints(self, name, *values):
        return self.weight(name, np.array(values, dtype=np.int64))

    def node(self, kind, name, inputs, outputs=None, **attributes):
        outputs = outputs or [f"{name}_out"]
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=name, **attributes))
        return outputs[0] if len(outputs) == 1 else outputs

    def linear(self, name, x, kernel, bias):
        """`kernel` lies as torch keeps it, [outputs, inputs]."""
        kernel = self.weight(f"{name}_kernel", kernel.T)
        product = self.node("MatMul", f"{name}_matmul", [x, kernel])
        return self.node("Add", f"{name}_add", [product, self.weight(f"{name}_bias", bias)])

    def layer_norm(self, name, x, scale, bias, epsilon):
        parts = [x, self.weight(f"{name}_scale", scale), self.weight(f"{name}_shift", bias)]
        return self.node("LayerNormalization", name, parts, axis=-1, epsilon=epsilon)


def build_graph(weights, config):
    """The encoder as a float32 ONNX model: three int64 inputs, one float32 output."""
    hidden = config["hidden_size"]
    heads = config["num_attention_heads"]
    width = hidden // heads
    epsilon = config["layer_norm_eps"]
    if config["hidden_act"] != "gelu" or config.get("position_embedding_type") != "absolute":
        sys.exit("the model is not the plain BERT encoder that this script knows how to build")

    g = Graph()
    first, second, last = g.ints("first", 0), g.ints("second", 1), g.ints("last", -1)

    words = g.weight("word_embeddings", weights["embeddings.word_embeddings.weight"])
    types = g.weight("type_embeddings", weights["embeddings.token_type_embeddings.weight"])
    places = g.weight("position_embeddings", weights["embeddings.position_embeddings.weight"])
    word = g.node("Gather", "embed_words", [words, "input_ids"])
    kind = g.node("Gather", "embed_types", [types, "token_type_ids"])
    # A Slice of the table, not a Gather over Range: the optimiser turns the latter into an
    # invalid Slice.
    length = g.node("Shape", "sequence_length", ["input_ids"], start=1, end=2)
    place = g.node("Slice", "embed_places", [places, first, length, first])
    x = g.node("Add", "embed_add_types", [word, kind])
    x = g.node("Add", "embed_add_places", [x, place])
    x = g.layer_norm(
        "embed_norm",
        x,
        weights["embeddings.LayerNorm.weight"],
        weights["embeddings.LayerNorm.bias"],
        epsilon,
    )

    # 0 where a token counts, the lowest float32 where it is padding, as [batch, 1, 1, sequence].
    mask = g.node("Cast", "mask_float", ["attention_mask"], to=TensorProto.FLOAT)
    mask = g.node("Sub", "mask_invert", [g.weight("one", np.float32(1.0)), mask])
    mask = g.node(
        "Mul", "mask_scale", [mask, g.weight("lowest", np.float32(np.finfo(np.float32).min))]
    )
    mask = g.node("Unsqueeze", "mask_shape", [mask, g.ints("mask_axes", 1, 2)])

    split_heads = g.ints("split_heads", 0, 0, 3 * heads, width)
    join_heads = g.ints("join_heads", 0, 0, hidden)
    thirds = g.ints("thirds", heads, heads, heads)
    # Scaling the query's weights once saves scaling the scores of every request.
    scale = np.float32(1.0 / np.sqrt(width))

    for i in range(config["num_hidden_layers"]):
        source = f"encoder.layer.{i}"
        name = f"layer{i}"

        def take(part):
            return weights[f"{source}.{part}"]

        # Query, key and value in one product: the input is quantised once instead of thrice,
        # and per-channel scales make the result the same as of three.
        attend = "attention.self"
        kernel = np.concatenate(
            [take(f"{attend}.query.weight") * scale]
            + [take(f"{attend}.{part}.weight") for part in ("key", "value")]
        )
        bias = np.concatenate(
            [take(f"{attend}.query.bias") * scale]
            + [take(f"{attend}.{part}.bias") for part in ("key", "value")]
        )
        qkv = g.linear(f"{name}_qkv", x, kernel, bias)
        qkv = g.node("Reshape", f"{name}_split_heads", [qkv, split_heads])
        qkv = g.node("Transpose", f"{name}_heads_first", [qkv], perm=[0, 2, 1, 3])
        query, key, value = g.node(
            "Split",
            f"{name}_split_qkv",
            [qkv, thirds],
            [f"{name}_query", f"{name}_key", f"{name}_value"],
            axis=1,
        )
        key = g.node("Transpose", f"{name}_key_turned", [key], perm=[0, 1, 3, 2])
        scores = g.node("MatMul", f"{name}_scores", [query, key])
        scores = g.node("Add", f"{name}_masked", [scores, mask])
        shares = g.node("Softmax", f"{name}_shares", [scores], axis=-1)
        mixed = g.node("MatMul", f"{name}_mixed", [shares, value])
        mixed = g.node("Transpose", f"{name}_heads_back", [mixed], perm=[0, 2, 1, 3])
        mixed = g.node("Reshape", f"{name}_join_heads", [mixed, join_heads])

        out = "attention.output"
        y = g.linear(f"{name}_out", mixed, take(f"{out}.dense.weight"), take(f"{out}.dense.bias"))
        y = g.node("Add", f"{name}_skip_attention", [y, x])
        x = g.layer_norm(
            f"{name}_norm_attention",
            y,
            take(f"{out}.LayerNorm.weight"),
            take(f"{out}.LayerNorm.bias"),
            epsilon,
        )

        up = "intermediate.dense"
        y = g.linear(f"{name}_up", x, take(f"{up}.weight"), take(f"{up}.bias"))
        y = g.node("Gelu", f"{name}_gelu", [y])
        y = g.linear(f"{name}_down", y, take("output.dense.weight"), take("output.dense.bias"))
        y = g.node("Add", f"{name}_skip_output", [y, x])
        x = g.layer_norm(
            f"{name}_norm_output",
            y,
            take("output.LayerNorm.weight"),
            take("output.LayerNorm.bias"),
            epsilon,
        )
    g.nodes[-1].output[0] = "last_hidden_state"

    used = {name for node in g.nodes for name in node.input}
    shape = ["batch", "sequence"]
    graph = helper.make_graph(
        g.nodes,
        "all-MiniLM-L6-v2",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, shape)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        ],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, hidden])],
        [weight for weight in g.weights if weight.name in used],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="refrain",
    )
    onnx.checker.check_model(model)
    return model


def build(args):
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from safetensors.numpy import load_file

    # Its advice to run a pre-processing step first does not fit a graph that is built this way.
    logging.getLogger().setLevel(logging.ERROR)
    config = json.loads(args.config.read_text())
    onnx.save(build_graph(load_file(args.weights), config), args.float_path)
    quantize_dynamic(
        args.float_path, args.int8_path, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8
    )


def cosines(model_path, tokenizer, items):
    """Cosine of each item's vector with its reference, computed as the gateway does: one text at
    a time, because dynamic quantisation makes a batch's vectors depend on one another."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model_path), options, ["CPUExecutionProvider"])
    found = []
    for item in items:
        encoding = tokenizer.encode(item["text"])
        expected = min(item["tokens"], MAX_LENGTH)
        if len(encoding.ids) != expected:
            sys.exit(
                f"the tokenizer makes {len(encoding.ids)} tokens of {item['text'][:40]!r}, "
                f"the reference {expected}"
            )
        feeds = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        feeds = {name: np.array([value], dtype=np.int64) for name, value in feeds.items()}
        (states,) = session.run(["last_hidden_state"], feeds)
        vector = states[0].mean(axis=0)
        reference = np.array(item["embedding"])
        found.append(
            float(vector @ reference / np.linalg.norm(vector) / np.linalg.norm(reference))
        )
    return found


def check(args):
    from tokenizers import Tokenizer

    items = json.loads(args.golden.read_text())["items"]
    tokenizer = Tokenizer.from_file(str(args.tokenizer))
    for label, path, worst, median in (
        ("float32", args.float_path, FLOAT_WORST, FLOAT_WORST),
        ("int8", args.int8_path, INT8_WORST, INT8_MEDIAN),
    ):
        found = cosines(path, tokenizer, items)
        low, middle = min(found), statistics.median(found)
        print(f"{label}: worst cosine {low:.5f}, median {middle:.5f} on {len(found)} texts")
        # Written as `not all(... >= ...)` so that a NaN fails too.
        if not (all(value >= worst for value in found) and middle >= median):
            sys.exit(
                f"the {label} model is too far from the reference vectors: worst cosine {low:.5f} "
                f"(needed {worst}), median {middle:.5f} (needed {median})"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["build", "check"])
    for name in ("--weights", "--config", "--tokenizer", "--golden"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--float", dest="float_path", type=Path, required=True)
    parser.add_argument("--int8", dest="int8_path", type=Path, required=True)
    args = parser.parse_args()
    if args.action == "build":
        build(args)
    else:
        check(args)


if __name__ == "__main__":
    main()
