-- SPDX-License-Identifier: GPL-2.0-only
--- The table of a benchmark: two medians, what is between them, and whether that is as it should be.
local table_of = {}

local FORMAT = "%-46s %12s %12s %8s  %-15s %-16s %s\n"
local missed = 0

local function median(values)
	local sorted = table.move(values, 1, #values, 1, {})
	table.sort(sorted)
	local middle = #sorted // 2
	return #sorted % 2 == 1 and sorted[middle + 1] or (sorted[middle] + sorted[middle + 1]) / 2
end

local function number(value)
	local size = math.abs(value)
	return (size >= 1000 and "%.0f" or size >= 10 and "%.2f" or size >= 0.1 and "%.3f" or "%.5f"):format(value)
end

local function row(name, ours, theirs, between, spread, target, good)
	missed = missed + (good and 0 or 1)
	io.write(FORMAT:format(name, ours, theirs, between, spread, target, good and "ok" or "MISSED"))
	io.flush()
end

--- The i-th value of every pair; with a key, that field of it.
local function column(all, i, key)
	local values = {}
	for k, both in ipairs(all) do
		values[k] = both[i]
		if key then
			values[k] = assert(both[i][key], key .. " was not measured")
		end
	end
	return values
end

function table_of.begin(...)
	io.write(FORMAT:format(...))
end

--- target: at_most or at_least for the ratio, more_by for the difference.
function table_of.beside(name, unit, all, key, target)
	local ours, theirs, ratios = column(all, 1, key), column(all, 2, key), {}
	for i, value in ipairs(ours) do
		ratios[i] = value / theirs[i]
	end
	local a, b, ratio = median(ours), median(theirs), median(ratios)
	local text, good
	if target.more_by then
		text, good = ("at most %g %s more"):format(target.more_by, unit), a - b <= target.more_by
	elseif target.at_most then
		text, good = ("at most %.2f"):format(target.at_most), ratio <= target.at_most
	else
		text, good = ("at least %.2f"):format(target.at_least), ratio >= target.at_least
	end
	row(name, number(a) .. " " .. unit, number(b) .. " " .. unit, ("%.3f"):format(ratio),
		("%.2f to %.2f"):format(math.min(table.unpack(ratios)), math.max(table.unpack(ratios))), text, good)
end

--- How many times what the others have ours is, and whether ours is below the limit.
function table_of.below(name, unit, all, key, limit)
	local ours, theirs = column(all, 1, key), column(all, 2, key)
	local a, b = median(ours), median(theirs)
	row(name, number(a) .. " " .. unit, number(b) .. " " .. unit, ("%.1f"):format(b / a),
		number(math.min(table.unpack(ours))) .. " to " .. number(math.max(table.unpack(ours))),
		("below %g %s"):format(limit, unit), a < limit)
end

local function percent(value)
	return ("%+.4f %%"):format(value)
end

--- How far both are off what was asked for, in percent of it.
function table_of.deviation(name, all, asked, limit)
	local function off(i)
		local values = {}
		for k, value in ipairs(column(all, i)) do
			values[k] = (value / asked - 1) * 100
		end
		return values
	end
	local ours, theirs = off(1), off(2)
	row(name, percent(median(ours)), percent(median(theirs)), "",
		("%+.3f to %+.3f"):format(math.min(table.unpack(ours)), math.max(table.unpack(ours))),
		("within %g %%"):format(limit), math.abs(median(ours)) <= limit)
end

--- Every one of ours has to be in the interval.
function table_of.interval(name, all, asked, width)
	local ours, theirs = column(all, 1), column(all, 2)
	local low, high = math.min(table.unpack(ours)), math.max(table.unpack(ours))
	row(name, ("%.3f %%"):format(median(ours)), ("%.3f %%"):format(median(theirs)), "", ("%.2f to %.2f"):format(low, high),
		("%g +- %.3f"):format(asked, width), low >= asked - width and high <= asked + width)
end

--- True if nothing was missed.
function table_of.finish()
	if missed > 0 then
		io.write(("%d missed\n"):format(missed))
	end
	return missed == 0
end

return table_of
