/* siam VERB ...: runs siam-VERB, beside this program or on PATH. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/backend.h"

static const char usage[] =
    "usage: siam VERB [options]      (siam VERB --help tells more)\n\n"
    "from a CSV of pairs to a model\n"
    "  stats      what is in a CSV of question pairs\n"
    "  split      seeded train, test and dev parts\n"
    "  tokenize   the same CSV, questions cut into tokens\n"
    "  vectors    word vectors -> a store that opens at once\n"
    "  tfidf      document frequencies and idf\n"
    "  embed      one vector a question\n"
    "  train      trains a Siamese model\n"
    "  eval       how good a model is on data that it has not seen\n"
    "using a model\n"
    "  predict    distance, probability and decision for pairs\n"
    "  index      an index of questions\n"
    "  query      the nearest questions to a new one\n"
    "on images\n"
    "  image-pretrain  a Siamese feature network from classes or pairs\n"
    "  image-train     scores or classes\n"
    "  image-score     what a model says of images: scores, classes\n"
    "  image-attend    what a model looks at in an image\n"
    "looking inside\n"
    "  inspect    shows any file of ours\n"
    "  bench      speed of every op against the machine's limits\n";

int main(int argc, char **argv)
{
    if (argc < 2 || !strcmp(argv[1], "-h") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : fflush(stdout) != 0;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("siam %s\nBLAS: %s\n", SIAM_VERSION, kn_blas_describe());
        return fflush(stdout) != 0;
    }
    char self[4096], program[4200];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (strchr(argv[1], '/') || strlen(argv[1]) > 64) {
        fprintf(stderr, "siam: %s is no verb; siam --help lists them\n", argv[1]);
        return 2;
    }
    snprintf(program, sizeof program, "%.*ssiam-%s", slash ? (int)(slash - self) + 1 : 0, self, argv[1]);
    if (slash)
        execv(program, argv + 1);
    execvp(slash ? program + (slash - self) + 1 : program, argv + 1);
    fprintf(stderr, "siam: %s is no verb; siam --help lists them\n", argv[1]);
    return errno == ENOENT ? 2 : 1;
}
