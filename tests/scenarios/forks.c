// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * forks: --after=5 seconds after its start it forks a worker. Both make session data from then on, and
 * release it; but for the one that --forget=worker or parent names.
 */
#include "course.h"

#include <signal.h>
#include <sys/prctl.h>

enum { SESSION_BYTES = 320 };

APART static char *make_session(void)
{
	char *session = sure(malloc(SESSION_BYTES));

	memset(session, 's', SESSION_BYTES);
	return session;
}

static void end_session(char *session, int forget)
{
	if (forget)
		course_grew(SESSION_BYTES);
	else
		free(session);
}

APART static void parent_session(int forget)
{
	end_session(make_session(), forget);
	work_scrub();
}

APART static void worker_session(int forget)
{
	end_session(make_session(), forget);
	work_scrub();
}

int main(int argc, char **argv)
{
	course_begin(argc, argv, 50);
	unsigned long after = (unsigned long)(course.rate * (double)course_number("--after", 5));
	int forget_worker = course_is("--forget", "worker", "none");
	int forget_parent = course_is("--forget", "parent", "none");
	int worker = 0;
	pid_t parent = getpid();

	/* Only the one that grows tells of it, and from when it does. */
	course.account_at = 1e18;
	while (course_step()) {
		if (course.steps == after) {
			worker = fork() == 0;
			if (worker && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent))
				return 1;
			if (worker ? forget_worker : forget_parent)
				course.account_at = 0;
		}
		if (course.steps < after)
			continue;
		if (worker)
			worker_session(forget_worker);
		else
			parent_session(forget_parent);
	}
	return 0;
}
