// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where a file lies. A plugin may be unloaded again before the user side looks at the maps; with the path
 * its names are found all the same. As fs/d_path.c: from the file's dentry up, and where a mount's root is
 * reached on from the place where it is mounted.
 */
#include "thread.bpf.h"

#include <bpf/bpf_core_read.h>

#define MAX_STEPS      48  /* names and mounts */
#define MAX_NAME_BYTES 256 /* NAME_MAX and the NUL */

__hidden struct file *file_of(u32 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files, *file = NULL;

	if (!table || fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	files = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	return file;
}

/* What changes lies in the thread's storage: verifiers before 6.7 take what a callback does to our stack to happen once. */
struct climber {
	struct hf_thread *thread;
};

static __always_inline long cross_mount(struct hf_climb *c, struct mount *mount)
{
	struct mount *parent = BPF_CORE_READ(mount, mnt_parent);

	if (parent == mount) {
		c->at_root = 1;
		return 1;
	}
	c->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
	c->mount = parent;
	return 0;
}

static long climb_step(u32 index, void *context)
{
	struct climber *climber = context;
	struct hf_thread *t = climber->thread;
	struct hf_climb *c = &t->climb;
	struct dentry *dentry = c->dentry;
	struct mount *mount = c->mount;
	u32 bytes = c->bytes;
	long size;

	(void)index;
	if (dentry == BPF_CORE_READ(mount, mnt.mnt_root))
		return cross_mount(c, mount);
	if (bytes > HF_MAX_PATH_BYTES - MAX_NAME_BYTES)
		return 1;
	size = bpf_probe_read_kernel_str(&t->file_names[bytes], MAX_NAME_BYTES,
					 BPF_CORE_READ(dentry, d_name.name));
	if (size <= 1)
		return 1;
	c->bytes = bytes + size;
	c->dentry = BPF_CORE_READ(dentry, d_parent);
	return 0;
}

/* Zeros up to a multiple of 8; answers the bytes with them. */
static __always_inline u32 fill_up(struct hf_thread *t, u32 bytes)
{
	u32 end = (bytes + 7) & ~7u;

#pragma unroll
	for (u32 i = 0; i < 7; i++) {
		if (bytes + i < end && bytes + i < HF_MAX_PATH_BYTES)
			t->file_names[bytes + i] = 0;
	}
	return end;
}

__hidden int file_send(u32 fd)
{
	struct climber climber = {.thread = thread_find()};
	struct file *file = file_of(fd);
	struct hf_thread *t = climber.thread;
	u32 bytes, size;

	if (!file || !t)
		return 0;
	t->climb.dentry = BPF_CORE_READ(file, f_path.dentry);
	t->climb.mount =
		(void *)BPF_CORE_READ(file, f_path.mnt) - bpf_core_field_offset(struct mount, mnt);
	t->climb.bytes = t->climb.at_root = 0;
	bpf_loop(MAX_STEPS, climb_step, &climber, 0);
	bytes = t->climb.bytes;
	if (!t->climb.at_root || !bytes || bytes > HF_MAX_PATH_BYTES)
		return 0;
	size = sizeof(t->file) + fill_up(t, bytes);
	event_begin(&t->file.h, HF_EVENT_FILE, size);
	t->file.inode = BPF_CORE_READ(file, f_inode, i_ino);
	t->file.device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	t->file.names_bytes = bytes;
	if (size > sizeof(t->file) + HF_MAX_PATH_BYTES)
		return 0;
	if (bpf_ringbuf_output(&ring, &t->file, size, BPF_RB_FORCE_WAKEUP))
		count_loss(HF_LOSS_RING_FULL_MAP);
	return 0;
}
