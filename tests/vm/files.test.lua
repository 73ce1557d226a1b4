-- SPDX-License-Identifier: GPL-2.0-only
-- Files in a guest: the programs that do it there are those of busybox.

provium.timeout = "3m"
package.path = "tests/lab/?.lua;" .. package.path

require("file_operations")(provium:vm("v", "vm"):boot())
