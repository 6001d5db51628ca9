/* Which of the wanted functions this kernel can trace. */
#include "lab.h"

/* mkfilter WANTED INDEXES NAMES MISSING: of the wanted functions (NAME or PREFIX*) those in
 * available_filter_functions, as line numbers, which set_ftrace_filter takes much faster than names. */
int mkfilter(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	char *aff = slurp("/sys/kernel/tracing/available_filter_functions", 0),
	     *ks = slurp("/proc/kallsyms", 0), *w = slurp(argv[0], 0), *pat[512], *sp;
	int np = 0, hit[512] = {0};
	size_t pl[512];
	for (char *t = strtok_r(w, "\n", &sp); t && np < 512; t = strtok_r(0, "\n", &sp)) {
		pat[np] = t;
		pl[np] = strlen(t);
		np++;
	}
	FILE *fi = fopen(argv[1], "w"), *fn = fopen(argv[2], "w"), *fm = fopen(argv[3], "a");
	if (!fi || !fn || !fm)
		die("mkfilter");
	long ln = 0;
	for (char *l = aff, *e; *l; l = e + 1) {
		e = strchr(l, '\n');
		if (!e)
			break;
		ln++;
		size_t n = strcspn(l, " \n");
		if (!strncmp(l, "kvm_pgtable_hyp", 15))
			continue;
		for (int i = 0; i < np; i++) {
			size_t k = pl[i];
			int star = pat[i][k - 1] == '*';
			if (*l == *pat[i] && (star ? n >= k - 1 && !strncmp(l, pat[i], k - 1)
			                           : n == k && !strncmp(l, pat[i], k))) {
				hit[i] = 1;
				fprintf(fi, "%ld ", ln);
				fprintf(fn, "%.*s\n", (int)n, l);
				break;
			}
		}
	}
	for (int i = 0; i < np; i++)
		if (!hit[i]) {
			char key[128];
			int star = pat[i][pl[i] - 1] == '*';
			snprintf(key, sizeof key, " %.*s%s", (int)(pl[i] - star), pat[i], star ? "" : "\n");
			char k2[130];
			snprintf(k2, sizeof k2, " %.*s\t", (int)(pl[i] - star), pat[i]);
			fprintf(fm, "%s %s\n", pat[i],
			        strstr(ks, key) || strstr(ks, k2)
			            ? "symbol-exists(not-traceable)"
			            : "no-such-symbol(inlined-or-other-version)");
		}
	fclose(fi);
	fclose(fn);
	fclose(fm);
	return 0;
}
