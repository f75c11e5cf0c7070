/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * component_spec.h - parts of a program as the user describes them.
 *
 *	--component 'engine=function:engine_*'			what is allocated below such a function
 *	--component 'engine=python_module:app.engine'		or below code of that module
 *	--component 'db=module:libpq.so*,function:PQ*'		both at one frame
 *	--component 'web=unit:nginx.service'			in processes of that unit
 *	--component 'pool=thread:worker-*'			by threads of such a name
 *
 * Fields: function, module, source, python_module, thread, cgroup, unit; each at most once, each with a glob, in which a
 * comma is written as ?. In the agent's file a component is a mapping with the same fields. Several of one name are one
 * component. Pure; any thread.
 */
#ifndef HF_CONFIG_COMPONENT_SPEC_H
#define HF_CONFIG_COMPONENT_SPEC_H

#define COMPONENT_SPECS_MAX 64

/* Owned; NULL: not given. The name is never NULL in one that was read. Field by field a struct component_rule. */
struct component_spec {
	char *name, *function, *module, *source, *python_module, *thread, *cgroup, *unit;
};

/* 0; -EINVAL: not of that form; -ENOMEM. */
int component_spec_parse(const char *text, struct component_spec *ret);
void component_spec_done(struct component_spec *spec);

#endif
