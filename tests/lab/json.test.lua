-- SPDX-License-Identifier: GPL-2.0-only

test("values there and back", function(t)
	for _, case in ipairs({
		{ 1, "1" }, { -5, "-5" }, { 1.5, "1.5" }, { true, "true" }, { "x", '"x"' }, { json.null, "null" }, { {}, "{}" },
		{ { 1, 2, 3 }, "[1,2,3]" }, { { a = 1 }, '{"a":1}' }, { json.array({}), "[]" }, { json.array(), "[]" },
		{ { { {} } }, "[[{}]]" }, { "é\n\"\\", '"é\\n\\"\\\\"' }, { 9007199254740993, "9007199254740993" },
		{ { b = 1, a = { 2 } }, '{"a":[2],"b":1}' }, { 1 << 62, "4611686018427387904" },
	}) do
		t:assert_eq(json.encode(case[1]), case[2])
		t:assert_eq(json.encode(json.decode(case[2])), case[2])
	end
	t:assert_eq(json.encode(nil), "null")
	t:assert_eq(json.encode({ 1.0 }), "[1.0]")
end)

test("decoded values are Lua's own", function(t)
	local value = json.decode(' {"list": [1, 2.5, "x", null, false], "none": null, "deep": {"a": {"b": []}}} ')
	t:assert_eq(#value.list, 5)
	t:assert_eq(math.type(value.list[1]), "integer")
	t:assert_eq(math.type(value.list[2]), "float")
	t:assert_eq(value.list[4], json.null)
	t:assert_eq(value.list[5], false)
	t:assert_eq(value.none, json.null)
	t:assert_eq(json.encode(value.deep), '{"a":{"b":[]}}')
	t:assert_eq(json.decode('"\\u00e9\\u0000"'), "é\0")
	t:assert_eq(json.decode("5"), 5)
end)

test("pretty", function(t)
	t:assert_eq(json.encode({ a = { 1 } }, true), '{\n  "a": [\n    1\n  ]\n}')
end)

test("bytes that are no text make no report impossible", function(t)
	t:assert_eq(json.encode("a\255b"), '"a?b"')
end)

test("arrays with holes and tables of both kinds lose nothing", function(t)
	t:assert_eq(json.encode({ 1, 2, x = 5 }), '{"1":1,"2":2,"x":5}')
	t:assert_eq(json.encode({ 1, nil, 3 }), '{"1":1,"3":3}')
	t:assert_eq(json.encode({ [7] = {} }), '{"7":{}}')
	t:assert_eq(json.encode(json.array({ x = 5 })), '{"x":5}')
end)

test("deep values", function(t)
	local value = {}
	for _ = 1, 90 do
		value = { value }
	end
	t:assert_eq(json.encode(json.decode(json.encode(value))), json.encode(value))
	local text = ("["):rep(10000)
	t:assert_error(function()
		json.decode(text)
	end, "json.decode: ")
end)
