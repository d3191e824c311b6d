from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from lissom.graph.naming import fresh_name, name_nodes, name_proto_nodes
from tests import tiny
from tests.graph.graphs import ir_of


@given(st.text(max_size=3), st.sets(st.text(max_size=4), max_size=8))
def test_a_fresh_name_is_free_and_begins_as_wanted(wanted, taken):
    name = fresh_name(wanted, taken)
    assert name not in taken
    assert name.startswith(wanted)


def test_names_are_kept_made_or_made_unique_in_bodies_too():
    proto = tiny.branchy()
    proto.graph.node[0].name = ""
    proto.graph.node[2].name = "else/mul"
    taken: set[str] = set()
    name_proto_nodes(proto.graph.node, taken)
    assert [n.name for n in proto.graph.node] == ["MatMul_h", "choose", "else/mul_1"]
    assert taken == {"MatMul_h", "choose", "then/add", "else/two", "else/mul", "else/mul_1"}


def test_nodes_of_a_graph_get_unique_names():
    ir = ir_of(tiny.mlp())
    for node in ir.graph:
        node.name = "same"
    name_nodes(ir)
    assert [node.name for node in ir.graph] == ["same", "same_1", "same_2"]
    name_nodes(ir)
    assert [node.name for node in ir.graph] == ["same", "same_1", "same_2"]


def test_a_node_without_outputs_is_named_by_its_operator():
    nodes = [helper.make_node("Print", ["x"], [])]
    name_proto_nodes(nodes, set())
    assert nodes[0].name == "Print_unused"
