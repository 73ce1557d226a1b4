-- SPDX-License-Identifier: GPL-2.0-only
-- Files and commands in a guest, as in a namespace node: the programs are those of busybox there.

provium.timeout = "3m"
package.path = "tests/lab/?.lua;" .. package.path

local v = provium:vm("v", "vm"):boot()
require("file_operations")(v)
require("run_forms")(v)
