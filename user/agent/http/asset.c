/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "agent/http/http_internal.h"

#define PACK_LEAST       1024 /* bytes */
#define ETAG_DIGITS      32
#define GZIP_WINDOW_BITS (15 + 16) /* zlib.h, inflateInit2(): 16 more expects a gzip header */
#define UNPACKED_MOST    (16U << 20)

static int fill_from_asset(const void *user, struct sink *sink)
{
	const struct http_asset *asset = user;

	sink_write(sink, asset->start, (size_t)(asset->end - asset->start));
	return 0;
}

static int add_packed(const struct http_asset *asset, struct http_asset_forms *forms)
{
	_cleanup_(strbuf_done) struct strbuf packed = STRBUF_INIT;
	int err = sink_pack(fill_from_asset, asset, &packed);

	if (err || packed.len >= forms->plain_size)
		return err;
	forms->owned = strbuf_detach(&packed, &forms->packed_size);
	forms->packed = forms->owned;
	return forms->owned ? 0 : -ENOMEM;
}

static int inflate_all(z_stream *stream, struct strbuf *plain)
{
	char out[16384];
	int result = Z_OK;

	while (result == Z_OK && plain->len <= UNPACKED_MOST) {
		stream->next_out = (unsigned char *)out;
		stream->avail_out = sizeof(out);
		result = inflate(stream, Z_NO_FLUSH);
		if (strbuf_add(plain, out, sizeof(out) - stream->avail_out))
			return -ENOMEM;
	}
	return result == Z_STREAM_END ? 0 : -EBADMSG;
}

static int add_plain(struct http_asset_forms *forms)
{
	_cleanup_(strbuf_done) struct strbuf plain = STRBUF_INIT;
	z_stream stream = {.next_in = (unsigned char *)forms->packed,
			   .avail_in = (uInt)forms->packed_size};
	int err;

	if (inflateInit2(&stream, GZIP_WINDOW_BITS) != Z_OK)
		return -ENOMEM;
	err = inflate_all(&stream, &plain);
	inflateEnd(&stream);
	if (err)
		return err;
	forms->owned = strbuf_detach(&plain, &forms->plain_size);
	forms->plain = forms->owned;
	return forms->owned ? 0 : -ENOMEM;
}

static int make_forms(const struct http_asset *asset, struct http_asset_forms *forms)
{
	size_t size = (size_t)(asset->end - asset->start);
	uint8_t digest[SHA256_BYTES];

	sha256_of(asset->start, size, digest);
	sha256_to_hex(digest, forms->etag);
	forms->etag[ETAG_DIGITS] = '\0';
	if (asset->packed) {
		forms->packed = asset->start;
		forms->packed_size = size;
		return add_plain(forms);
	}
	forms->plain = asset->start;
	forms->plain_size = size;
	return size > PACK_LEAST ? add_packed(asset, forms) : 0;
}

int http_assets_new(const struct http_table *table, struct http_asset_forms **ret_assets)
{
	struct http_asset_forms *assets = calloc(table->count ? table->count : 1, sizeof(*assets));
	int err = assets ? 0 : -ENOMEM;

	for (size_t i = 0; i < table->count && !err; i++) {
		if (table->routes[i].asset)
			err = make_forms(table->routes[i].asset, &assets[i]);
	}
	if (err) {
		if (assets)
			http_assets_free(table, assets);
		return err;
	}
	*ret_assets = assets;
	return 0;
}

void http_assets_free(const struct http_table *table, struct http_asset_forms *assets)
{
	for (size_t i = 0; i < table->count; i++)
		free(assets[i].owned);
	free(assets);
}

static struct MHD_Response *respond(struct http_request *request,
				    const struct http_asset_forms *forms)
{
	bool packed = forms->packed && http_takes_gzip(http_header(request, "Accept-Encoding"));
	char etag[SHA256_HEX_LENGTH + 8];
	struct http_body body = {
		.status = 200,
		.type = request->route->asset->type,
		.bytes = (char *)(packed ? forms->packed : forms->plain),
		.size = packed ? forms->packed_size : forms->plain_size,
		.is_static = true,
		.encoding = packed ? "gzip" : NULL,
	};
	struct MHD_Response *response;

	/* each encoding is a representation of its own (RFC 9110, 8.8.3.3) */
	snprintf(etag, sizeof(etag), "\"%s%s\"", forms->etag, packed ? "-gz" : "");
	if (http_etag_listed(http_header(request, "If-None-Match"), etag)) {
		body.status = 304;
		body.size = 0;
		body.encoding = NULL;
	}
	response = http_response_new(request, &body);
	http_response_add(response, "ETag", etag);
	request->status = body.status;
	return response;
}

int http_answer_asset(struct http_request *request)
{
	size_t index = (size_t)(request->route - request->server->table->routes);
	struct MHD_Response *response = respond(request, &request->server->assets[index]);

	/* kept, but asked for each time whether it still is the same: after an upgrade it is not */
	http_response_add(response, "Cache-Control", "no-cache");
	http_response_add(response, "Vary", "Accept-Encoding");
	http_response_add(response, "Content-Security-Policy", HTTP_STRICT_CSP);
	return http_answer_response(request, request->status, response);
}
