-- SPDX-License-Identifier: GPL-2.0-only
-- Publications, as TCP has it: half-closed connections, refused ones, and more of them than there is room for.

local support = require "support"

local lan, a = support.network(1)

-- Serves as the text says, one connection after the other: `peer` is the connection. Returns the port on this machine.
local function serve(port, text)
	local output = a:run_async("python3", { "-c", ([[
import socket
server = socket.create_server(("", %d), backlog=2000)
print("ready", flush=True)
peers = []
while True:
    peer = server.accept()[0]
    peers.append(peer)
%s]]):format(port, text:gsub("[^\n]+", "    %0")) }):stdout_stream()
	output:read_until("ready\n")
	local _, host_port = lan:publish(a, { port = port })
	return host_port
end

-- What a client prints that has `connect()`, whose sockets give up after a minute.
local function client(port, text)
	return support.ask(("ulimit -n 8192; python3 -c '%s' 2>&1"):format(([[
import select, socket
def connect():
    return socket.create_connection(("127.0.0.1", %d), 60)
]]):format(port) .. text))
end

test("one side has said all, and the other answers", function(t)
	local port = serve(7001, [[
total = 0
while data := peer.recv(65536): total += len(data)
peer.sendall(b"%d bytes" % total)
peer.close()]])
	t:assert_eq(client(port, [[
peer = connect()
peer.sendall(bytes(300000))
peer.shutdown(socket.SHUT_WR)
print(peer.makefile().read())]]), "300000 bytes")
end)

test("the server says all first, and hears the rest", function(t)
	local port = serve(7002, [[
peer.sendall(b"bye")
peer.shutdown(socket.SHUT_WR)
print(len(peer.makefile("rb").read()), flush=True)]])
	t:assert_eq(client(port, [[
peer = connect()
print(peer.makefile().read())
peer.sendall(bytes(1000))
peer.close()]]), "bye")
end)

-- Both of its sockets are closed, although the client keeps its own.
test("where nobody listens the connection ends", function(t)
	local _, port = lan:publish(a, { port = 7003 })
	t:assert_eq(client(port, ([[
import os, time
def sockets():
    return len(os.listdir("/proc/%s/fd"))
before, peer = sockets(), connect()
try:
    print(peer.recv(1))
except ConnectionResetError:
    print(b"")
end = time.time() + 60
while sockets() > before and time.time() < end: time.sleep(0.05)
print(sockets() - before)]]):format(support.ask("echo $PPID"))), "b''\n0")
end)

-- 1,024 at a time; the others wait until there is room.
test("more connections than there is room for", { timeout = "5m" }, function(t)
	local port = serve(7004, 'peer.sendall(b"hi")')
	t:assert_eq(client(port, [[
peers = [connect() for _ in range(1100)]
def greeted(count, seconds):
    poll = select.poll()
    served = set()
    for peer in peers: poll.register(peer, select.POLLIN)
    while len(served) < count:
        ready = poll.poll(seconds * 1000)
        if not ready: break
        for fd, _ in ready:
            served.add(fd)
            poll.unregister(fd)
    return len(served)
print(greeted(1024, 60), greeted(1025, 1))
for peer in peers[:100]: peer.close()
del peers[:100]
print(greeted(1000, 60))]]), "1024 1024\n1000")
end)
