-- SPDX-License-Identifier: GPL-2.0-only

test("values there and back", function(t)
	for _, case in ipairs({
		{ 1, "1" }, { -5, "-5" }, { 1.5, "1.5" }, { true, "true" }, { "x", '"x"' }, { nil, "null" }, { {}, "{}" },
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
	t:assert_eq(value.list[3], "x")
	t:assert_eq(math.type(value.list[1]), "integer")
	t:assert_eq(math.type(value.list[2]), "float")
	t:assert_eq(value.list[4], nil)
	t:assert_eq(value.list[5], false)
	t:assert_eq(value.none, nil)
	t:assert_eq(json.encode(value.list), '[1,2.5,"x",null,false]')
	t:assert_eq(json.encode(json.decode('[null,[null,null,1],{"a":[null,2]}]')), '[null,[null,null,1],{"a":[null,2]}]')
	t:assert_eq(json.decode("null"), nil)
	t:assert_eq(json.encode(value.deep), '{"a":{"b":[]}}')
	t:assert_eq(json.decode('"\\u00e9\\u0000"'), "é\0")
	t:assert_eq(json.decode("5"), 5)
end)

test("pretty", function(t)
	t:assert_eq(json.encode({ a = { 1 } }, true), '{\n  "a": [\n    1\n  ]\n}')
end)

test("bytes that are no text make no report impossible", function(t)
	-- As the Unicode Standard recommends: one U+FFFD for what cannot be a part of a character, one for each that is
	-- cut off.
	for bytes, text in pairs({
		["a\255b"] = "a\u{FFFD}b",
		["é\255é"] = "é\u{FFFD}é",
		["\xE2\x82"] = "\u{FFFD}",
		["\xE2\x82A"] = "\u{FFFD}A",
		["\xF0\x9F\x98\xC3\xA9"] = "\u{FFFD}é",
		["\x80\xBF"] = "\u{FFFD}\u{FFFD}",
		["\xC0\xAF"] = "\u{FFFD}\u{FFFD}",
		["\xED\xA0\x80"] = "\u{FFFD}\u{FFFD}\u{FFFD}",
		["\xF4\x90\x80\x80"] = "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}",
		["\0\255\0"] = "\0\u{FFFD}\0",
	}) do
		t:assert_eq(json.decode(json.encode(bytes)), text)
	end
	t:assert_eq(json.encode({ ["k\255"] = 1, ["é"] = 2 }), '{"k\u{FFFD}":1,"é":2}')
end)

test("arrays with holes and tables of both kinds lose nothing", function(t)
	t:assert_eq(json.encode({ 1, 2, x = 5 }), '{"1":1,"2":2,"x":5}')
	t:assert_eq(json.encode({ 1, nil, 3 }), "[1,null,3]")
	t:assert_eq(json.encode({ [4] = {}, [2] = json.null }), "[null,null,null,{}]")
	t:assert_eq(json.encode({ [0] = 1, [2] = 2 }), '{"0":1,"2":2}')
	t:assert_eq(json.encode({ [-1] = 1 }), '{"-1":1}')
	t:assert_error(function() json.encode({ [1 << 40] = 1 }) end, "more than 10,000,000 places")
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

test("every number that JSON has", function(t)
	for text, value in pairs({
		["13718600648390624351"] = 13718600648390624351,
		["18446744073709551615"] = 1.8446744073709552e19,
		["-9223372036854775809"] = -9223372036854775809.0,
		["9223372036854775807"] = math.maxinteger,
		["-9223372036854775808"] = math.mininteger,
		["1e400"] = math.huge,
		["-1e400"] = -math.huge,
		["1e-400"] = 0.0,
		["1E+2"] = 100.0,
		["-0.5e-1"] = -0.05,
		["0"] = 0,
		["123456789012345678901234567890"] = 123456789012345678901234567890,
	}) do
		local got = json.decode(text)
		t:assert_eq(got, value, text)
		t:assert_eq(math.type(got), math.type(value), text)
		t:assert_eq(json.decode("[" .. text .. "]")[1], value)
	end
	for _, text in ipairs({ "01", "-", "1.", ".5", "+1", "1e", "0x10", "NaN", "Infinity", "1 2", "--1", "1,", "" }) do
		t:assert_error(function()
			json.decode(text)
		end, "json.decode: line 1, column ")
	end
end)

test("the shortest form that reads back", function(t)
	for text, value in pairs({
		["0.1"] = 0.1,
		["0.3"] = 0.3,
		["0.30000000000000004"] = 0.1 + 0.2,
		["500.0"] = 500.0,
		["-0.0"] = -0.0,
		["3.14"] = 3.14,
		["1e+300"] = 1e300,
		["5e-324"] = 5e-324,
		["1.7976931348623157e+308"] = 1.7976931348623157e308,
		["0.3333333333333333"] = 1 / 3,
		["1e+15"] = 1e15,
		["123456789.125"] = 123456789.125,
	}) do
		t:assert_eq(json.encode(value), text)
	end
	math.randomseed(7)
	for _ = 1, 2000 do
		local bits = string.pack("i8", math.random(0))
		local value = string.unpack("d", bits)
		if value == value and math.abs(value) ~= math.huge then
			local text = json.encode(value)
			t:assert_eq(string.pack("d", json.decode(text)), bits, text)
		end
	end
end)

test("every string that JSON has", function(t)
	for text, value in pairs({
		['"\\u0000"'] = "\0",
		['"a\\u0000b"'] = "a\0b",
		['"\\ud83d\\ude00"'] = "\u{1F600}",
		['"\\/\\b\\f\\n\\r\\t\\\\\\""'] = '/\b\f\n\r\t\\"',
		['""'] = "",
		['"\\ud800"'] = "\u{FFFD}",
		['"\\udc00x"'] = "\u{FFFD}x",
		['"\\uD800\\u0041"'] = "\u{FFFD}A",
		['"\\ud800\\ud83d\\ude00"'] = "\u{FFFD}\u{1F600}",
		['"\\\\ud800"'] = "\\ud800",
		['"\127"'] = "\127",
	}) do
		t:assert_eq(json.decode(text), value)
		t:assert_eq(json.decode(json.encode(value)), value)
	end
	t:assert_eq(json.decode('{"a\\u0000": 1, "": 2, "a": 3}'), { ["a\0"] = 1, [""] = 2, a = 3 })
	t:assert_eq(json.encode({ ["a\0"] = 1, a = 3 }), '{"a":3,"a\\u0000":1}')
	t:assert_eq(json.decode('{"a": 1, "a": 2}').a, 2)
	for _, text in ipairs({ '"', '"\\x"', '"\\u12"', '"\1"', '"\255"', "'a'", '{a: 1}', '{"a"}', "[1,]", '{"a":1,}' }) do
		t:assert_error(function()
			json.decode(text)
		end, "json.decode: line 1, column ")
	end
	t:assert_error(function()
		json.decode('{\n  "a": tru\n}')
	end, "json.decode: line 2, column ")
end)

test("what is nearly JSON is refused", function(t)
	for _, text in ipairs({ "\f1", "[1,\v2]", '"\xc0\x80"', '"\xed\xa0\x80"', '"\xff"', '"\xf5\x80\x80\x80"' }) do
		t:assert_error(function()
			json.decode(text)
		end, "json.decode: line 1, column ")
	end
	t:assert_error(function()
		json.decode('[\n"\xc0\x80"]')
	end, "line 2, column 2: a byte that is not UTF-8")
end)

test("a key is there once", function(t)
	t:assert_error(function()
		json.encode({ a = { [5] = 1, ["5"] = 2 } })
	end, "json.encode: cannot encode a table with a number and the same number as a string for keys")
	t:assert_eq(json.encode({ [5] = 1, ["05"] = 2 }), '{"05":2,"5":1}')
end)
