// SPDX-License-Identifier: GPL-2.0-only
#include "net/nft.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nftables/libnftables.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/memory.h"

struct nft_table {
	struct nft_ctx *context; /* owns the netlink socket, and that owns the table */
	char name[IFNAMSIZ];
};

/* The first line of what libnftables says: "Error: Could not process rule: Operation not supported". */
static int refused(const struct nft_table *table, struct error *err)
{
	const char *said = nft_ctx_get_error_buffer(table->context);
	int length = said ? (int)strcspn(said, "\n") : 0;

	return error_set(err, EOPNOTSUPP,
			 "make the nft table %s: %.*s (needs a kernel with nftables: nat, ct, fib, reject)",
			 table->name, length, said ? said : "");
}

static int run(const struct nft_table *table, const char *before, const char *chains, struct error *err)
{
	struct buffer text = { 0 };

	err->code = 0;
	/* In one block: a second one without the flag would be a change of flags, which the kernel refuses. */
	buffer_printf(&text, "%stable inet %s {\n\tflags owner\n%s}\n", before, table->name, chains);
	if (nft_run_cmd_from_buffer(table->context, buffer_string(&text)))
		refused(table, err);
	buffer_free(&text);
	return -err->code;
}

int nft_table_open(struct nft_table **result, const char *name, const char *chains, struct error *err)
{
	struct nft_table *table = memory_new(sizeof(*table));

	*result = NULL;
	err->code = 0;
	snprintf(table->name, sizeof(table->name), "%s", name);
	table->context = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!table->context || nft_ctx_buffer_error(table->context) || nft_ctx_buffer_output(table->context))
		error_set(err, ENOMEM, "open libnftables");
	if (!err->code && !run(table, "", chains, err))
		*result = table;
	else
		nft_table_close(table);
	return -err->code;
}

int nft_table_replace(struct nft_table *table, const char *chains, struct error *err)
{
	char flush[sizeof("flush table inet \n") + IFNAMSIZ];

	snprintf(flush, sizeof(flush), "flush table inet %s\n", table->name);
	return run(table, flush, chains, err);
}

void nft_table_close(struct nft_table *table)
{
	if (!table)
		return;
	if (table->context)
		nft_ctx_free(table->context);
	free(table);
}
