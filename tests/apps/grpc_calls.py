"""A server of gRPC, and a client that makes calls of all kinds and checks what comes of them. Messages are plain bytes.

    grpc_calls.py serve             writes its port into the file `port` of its folder
    grpc_calls.py call ADDRESS      ends with status 0 if every call did what it should
"""

import os
import queue
import signal
import sys
import threading
from concurrent import futures

import grpc

PATIENCE = 30
cancelled = threading.Semaphore(0)


def unary(request, context):
    if request == b"refuse":
        context.set_trailing_metadata((("reason", "none of your business"),))
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")
    if request == b"wait":
        left = threading.Event()
        if not context.add_callback(left.set):
            left.set()
        if left.wait(PATIENCE):
            cancelled.release()
        return b""
    if request == b"was one cancelled?":
        return b"yes" if cancelled.acquire(timeout=PATIENCE) else b"no"
    metadata = dict(context.invocation_metadata())
    context.send_initial_metadata((("seen", metadata.get("told", "nothing")),))
    return request


def answers(request, context):
    for number in range(int(request)):
        yield b"%d" % number


def requests(messages, context):
    return b",".join(messages)


def both(messages, context):
    for message in messages:
        yield b"<" + message + b">"


class Calls(grpc.GenericRpcHandler):
    handlers = {
        "/calls/Unary": grpc.unary_unary_rpc_method_handler(unary),
        "/calls/Answers": grpc.unary_stream_rpc_method_handler(answers),
        "/calls/Requests": grpc.stream_unary_rpc_method_handler(requests),
        "/calls/Both": grpc.stream_stream_rpc_method_handler(both),
    }

    def service(self, details):
        return self.handlers.get(details.method)


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[Calls()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with open("port.new", "w") as file:
        file.write(str(port))
    os.rename("port.new", "port")
    server.wait_for_termination()


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call has not failed")


def check_unary(channel):
    unary = channel.unary_unary("/calls/Unary")
    answer, call = unary.with_call(b"hello", timeout=PATIENCE, metadata=(("told", "something"),))
    assert answer == b"hello", answer
    assert dict(call.initial_metadata())["seen"] == "something"
    large = os.urandom(3 << 20)
    assert unary(large, timeout=PATIENCE) == large
    assert unary(b"", timeout=PATIENCE) == b""


def check_streams(channel):
    got = list(channel.unary_stream("/calls/Answers")(b"300", timeout=PATIENCE))
    assert got == [b"%d" % number for number in range(300)], got
    got = channel.stream_unary("/calls/Requests")(iter([b"a", b"b", b"c"]), timeout=PATIENCE)
    assert got == b"a,b,c", got
    # Each message is sent only after the last was answered.
    messages = queue.Queue()
    call = channel.stream_stream("/calls/Both")(iter(messages.get, None), timeout=PATIENCE)
    for number in range(20):
        messages.put(b"%d" % number)
        assert next(call) == b"<%d>" % number
    messages.put(None)
    assert list(call) == []


def check_failures(channel):
    unary = channel.unary_unary("/calls/Unary")
    error = failure(lambda: unary(b"refuse", timeout=PATIENCE))
    assert (error.code(), error.details()) == (grpc.StatusCode.PERMISSION_DENIED, "not you"), error
    assert dict(error.trailing_metadata())["reason"] == "none of your business"
    error = failure(lambda: channel.unary_unary("/calls/Nothing")(b"", timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error


def check_cancelled(channel):
    unary = channel.unary_unary("/calls/Unary")
    error = failure(lambda: unary(b"wait", timeout=2))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    assert unary(b"was one cancelled?", timeout=PATIENCE) == b"yes"


def check_many(channel):
    unary = channel.unary_unary("/calls/Unary")
    calls = [unary.future(b"%d" % number, timeout=PATIENCE) for number in range(200)]
    assert [call.result() for call in calls] == [b"%d" % number for number in range(200)]


def call(address):
    signal.alarm(2 * PATIENCE)
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        for check in (check_unary, check_streams, check_failures, check_cancelled, check_many):
            check(channel)


if sys.argv[1] == "serve":
    serve()
else:
    call(sys.argv[2])
