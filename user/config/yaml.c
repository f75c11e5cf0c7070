/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/yaml.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/cleanup.h"

#define DEPTH_MAX       16
#define NODES_MAX       10000
#define ARENA_MAX_BYTES ((uint64_t)64 << 20)

/* Told as a problem already; nothing more can be read. */
#define READING_ENDS (-EBADMSG)

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the one looked at; owned */
	bool has_event;
	const struct config_text *text;
	struct yaml_tree *tree;
	struct config_problems *problems;
	size_t nodes;
};

static void reader_done(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	yaml_parser_delete(&r->parser);
}

static struct config_place place_of(const struct reader *r, const yaml_mark_t *mark)
{
	return (struct config_place){r->text->name, mark->line + 1, mark->column + 1};
}

static int tell(const struct reader *r, const yaml_mark_t *mark, const char *what, const char *why)
{
	const struct config_place place = place_of(r, mark);

	return config_problems_add_at(r->problems, &place, what, why);
}

/* Like tell(), of something that ends the reading. */
static int end_with(const struct reader *r, const yaml_mark_t *mark, const char *what,
		    const char *why)
{
	return tell(r, mark, what, why) ? -ENOMEM : READING_ENDS;
}

/* Columns count characters, as libyaml's do. */
static yaml_mark_t mark_at(const struct config_text *text, size_t offset)
{
	yaml_mark_t mark = {.index = offset};

	for (size_t i = 0; i < offset && i < text->size; i++) {
		if (text->text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if (((unsigned char)text->text[i] & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

/* The parser's own error. It tells a place for syntax, an offset only for what is no character. */
static int end_with_syntax(const struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	yaml_mark_t mark = p->problem_mark;

	if (p->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (p->error == YAML_READER_ERROR)
		mark = mark_at(r->text, p->problem_offset);
	return end_with(r, &mark, p->problem ? p->problem : "this is not YAML",
			p->context ? p->context : "");
}

static int next_event(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	r->has_event = false;
	if (!yaml_parser_parse(&r->parser, &r->event))
		return end_with_syntax(r);
	r->has_event = true;
	return 0;
}

/* The scalar's text; NULL with 0 if it holds a NUL, which has been told. */
static int copy_scalar(const struct reader *r, const char **ret)
{
	const char *text = (const char *)r->event.data.scalar.value;
	size_t len = r->event.data.scalar.length;

	*ret = NULL;
	if (memchr(text, 0, len))
		return tell(r, &r->event.start_mark, "a NUL character is not allowed", "");
	*ret = arena_strndup(&r->tree->arena, text, len);
	return *ret ? 0 : -ENOMEM;
}

static void append(struct yaml_node *parent, struct yaml_node *node)
{
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
}

static int read_children(struct reader *r, struct yaml_node *node, unsigned int depth);

/* A node for the event at hand, without what is below it. */
static int make_node(struct reader *r, unsigned int depth, struct yaml_node **ret)
{
	struct yaml_node *node;
	int err = 0;

	if (depth > DEPTH_MAX)
		return end_with(r, &r->event.start_mark, "this is nested too deeply",
				"16 levels are enough for every setting");
	if (++r->nodes > NODES_MAX)
		return end_with(r, &r->event.start_mark, "there are too many values",
				"a file may hold 10,000");
	node = arena_zalloc(&r->tree->arena, sizeof(*node));
	if (!node)
		return -ENOMEM;
	node->place = place_of(r, &r->event.start_mark);
	node->whole = true;
	if (r->event.type == YAML_SCALAR_EVENT) {
		err = copy_scalar(r, &node->text);
		node->kind = node->text ? YAML_NODE_TEXT : YAML_NODE_BAD;
	} else if (r->event.type == YAML_SEQUENCE_START_EVENT) {
		node->kind = YAML_NODE_LIST;
	} else if (r->event.type == YAML_MAPPING_START_EVENT) {
		node->kind = YAML_NODE_MAP;
	} else {
		err = tell(r, &r->event.start_mark, "aliases are not supported",
			   "write the value out");
	}
	*ret = node;
	return err;
}

static int read_list(struct reader *r, struct yaml_node *list, unsigned int depth)
{
	for (;;) {
		struct yaml_node *node;
		int err = next_event(r);

		if (err || r->event.type == YAML_SEQUENCE_END_EVENT)
			return err;
		err = make_node(r, depth + 1, &node);
		if (err)
			return err;
		append(list, node);
		err = read_children(r, node, depth + 1);
		if (err)
			return err;
	}
}

/*
 * The key at hand, which stays empty where it is none: then a problem has been told, and the value
 * belongs to nothing.
 */
static int read_key(struct reader *r, const struct yaml_node *map, unsigned int depth,
		    struct yaml_node *ret)
{
	_cleanup_(strbuf_done) struct strbuf what = STRBUF_INIT;
	struct yaml_node *node;
	int err = 0;

	ret->key_place = place_of(r, &r->event.start_mark);
	if (r->event.type != YAML_SCALAR_EVENT) {
		err = tell(r, &r->event.start_mark, "the name of a setting is wanted here",
			   "write `name: value`");
		if (!err)
			err = make_node(r, depth + 1, &node);
		return err ? err : read_children(r, node, depth + 1);
	}
	err = copy_scalar(r, &ret->key);
	if (err || !ret->key || !yaml_find(map, ret->key))
		return err;
	strbuf_addf(&what, "the setting %s stands here a second time", ret->key);
	ret->key = NULL;
	if (what.failed)
		return -ENOMEM;
	return tell(r, &r->event.start_mark, what.buf, "remove one of them");
}

static int read_map(struct reader *r, struct yaml_node *map, unsigned int depth)
{
	for (;;) {
		struct yaml_node *node, key = {.key = NULL};
		int err = next_event(r);

		if (err || r->event.type == YAML_MAPPING_END_EVENT)
			return err;
		err = read_key(r, map, depth, &key);
		if (!err)
			err = next_event(r);
		if (!err)
			err = make_node(r, depth + 1, &node);
		if (err)
			return err;
		node->key = key.key;
		node->key_place = key.key_place;
		if (node->key)
			append(map, node);
		err = read_children(r, node, depth + 1);
		if (err)
			return err;
	}
}

/* What is below a node that has been made of the event at hand. */
static int read_children(struct reader *r, struct yaml_node *node, unsigned int depth)
{
	int err = 0;

	node->whole = false;
	if (node->kind == YAML_NODE_LIST)
		err = read_list(r, node, depth);
	else if (node->kind == YAML_NODE_MAP)
		err = read_map(r, node, depth);
	node->whole = !err;
	return err;
}

/* Nothing but comments is an empty configuration. */
static int read_stream(struct reader *r)
{
	int err = next_event(r); /* the stream's start */

	if (!err)
		err = next_event(r);
	if (err || r->event.type == YAML_STREAM_END_EVENT)
		return err;
	err = next_event(r); /* behind the document's start */
	if (!err)
		err = make_node(r, 0, &r->tree->root);
	if (!err)
		err = read_children(r, r->tree->root, 0);
	if (!err)
		err = next_event(r); /* the document's end */
	if (!err)
		err = next_event(r);
	if (!err && r->event.type != YAML_STREAM_END_EVENT)
		err = tell(r, &r->event.start_mark, "a second document is not supported",
			   "a file holds one");
	return err;
}

int yaml_tree_read(const struct config_text *text, struct yaml_tree *ret,
		   struct config_problems *problems)
{
	struct reader r = {.text = text, .tree = ret, .problems = problems};
	int err;

	*ret = (struct yaml_tree){.root = NULL};
	arena_init(&ret->arena, ARENA_MAX_BYTES);
	if (!yaml_parser_initialize(&r.parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text->text, text->size);
	err = read_stream(&r);
	reader_done(&r);
	return err == READING_ENDS ? 0 : err;
}

void yaml_tree_done(struct yaml_tree *tree)
{
	arena_done(&tree->arena);
	tree->root = NULL;
}

const struct yaml_node *yaml_find(const struct yaml_node *map, const char *key)
{
	for (const struct yaml_node *node = map->first; node; node = node->next) {
		if (!strcmp(node->key, key))
			return node;
	}
	return NULL;
}
