/* The text of networks: what is understood, what is refused, what is fused. */
#include "tests/support.h"

#include <string.h>

#include "siamese/siamese.h"

static sm_graph *parse(const char *text, size_t input)
{
    kn_error err = {{0}};
    sm_graph *g = sm_graph_parse(text, input, &err);
    if (!g)
        fail_msg("%s: %s", text, err.text);
    return g;
}

static void refuse(const char *text, const char *why)
{
    kn_error err = {{0}};
    sm_graph *g = sm_graph_parse(text, 8, &err);
    if (g || !strstr(err.text, why))
        fail_msg("'%s' gave %s '%s', not '%s'", text, g ? "a network" : "", err.text, why);
}

static void seed_network_is_the_design(void **state)
{
    (void)state;
    char *text = sm_arch_text("seed", 0, NULL);
    sm_graph *g = parse(text, 100);
    /* input, 3 x (linear, batchnorm + relu), batchnorm: adds, relus and the concat are fused */
    assert_int_equal(g->nodes, 8);
    assert_int_equal(g->input_width, 100);
    assert_int_equal(g->output_width, 3 * 128);
    assert_int_equal(g->params, 128 * 100 + 2 * 128 * 128 + 3 * 2 * 128 + 2 * 384);
    assert_int_equal(g->stats, 3 * 2 * 128 + 2 * 384);
    const sm_node *bn1 = &g->node[2], *bn2 = &g->node[4], *bn3 = &g->node[6], *last = &g->node[7];
    assert_true(bn1->op == SM_BATCHNORM && bn1->inputs == 1 && bn1->act == KN_ACT_RELU);
    assert_true(bn2->op == SM_BATCHNORM && bn2->inputs == 2 && bn2->in[1] == 2 && bn2->act == KN_ACT_RELU);
    assert_true(bn3->op == SM_BATCHNORM && bn3->inputs == 2 && bn3->in[1] == 4 && bn3->act == KN_ACT_RELU);
    assert_true(last->op == SM_BATCHNORM && last->act == KN_ACT_NONE && last->inputs == 3 && last->blocks == 3);
    assert_true(last->in[0] == 6 && last->in[1] == 4 && last->in[2] == 2); /* r3 r2 r1 */
    assert_true(g->node[1].op == SM_LINEAR && !g->node[1].bias);
    sm_graph_free(g);
    kn_free(text);
}

static void parts_are_named_and_tile_the_blocks(void **state)
{
    (void)state;
    sm_graph *g = parse("linear 3 # three\n\nbatchnorm; relu\nlinear 2", 5);
    static const struct {
        const char *name;
        bool stat;
        size_t offset, ndim, a, b;
    } want[] = {{"1.weight", false, 0, 2, 3, 5},        {"1.bias", false, 15, 1, 3, 0},
                {"2.weight", false, 18, 1, 3, 0},       {"2.bias", false, 21, 1, 3, 0},
                {"2.running_mean", true, 0, 1, 3, 0},   {"2.running_var", true, 3, 1, 3, 0},
                {"4.weight", false, 24, 2, 2, 3},       {"4.bias", false, 30, 1, 2, 0}};
    assert_int_equal(g->parts, sizeof want / sizeof *want);
    for (int i = 0; i < g->parts; i++) {
        assert_string_equal(g->part[i].name, want[i].name);
        assert_int_equal(g->part[i].stat, want[i].stat);
        assert_int_equal(g->part[i].offset, want[i].offset);
        assert_int_equal(g->part[i].ndim, want[i].ndim);
        assert_int_equal(g->part[i].shape[0], want[i].a);
        if (want[i].ndim == 2)
            assert_int_equal(g->part[i].shape[1], want[i].b);
    }
    assert_int_equal(g->params, 32);
    assert_int_equal(g->stats, 6);
    sm_graph_free(g);
}

/* Fused or not: where an intermediate result has a second reader, or the
 * contract could not run it, the ops stay apart. */
static void fusion_keeps_what_is_read_elsewhere(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int nodes; /* with the input */
    } cases[] = {
        {"linear 4; batchnorm; relu", 3},
        {"linear 4; batchnorm; elu", 3},
        {"linear 4; batchnorm", 3},
        {"linear 4; relu; batchnorm", 4},
        {"linear 4; b: batchnorm; relu; add b", 5},                   /* b is read twice */
        {"r: linear 4; linear 4; batchnorm; add r; relu", 4},         /* all in one */
        {"r: linear 4; linear 4; batchnorm; s: add r; relu; add s", 6}, /* the sum is read twice */
        {"r: linear 4; batchnorm; add r; relu", 5},                   /* the residual is its own input */
        {"r: linear 4; linear 4; batchnorm; add r r; relu", 6},       /* three terms */
        {"linear 4; b: batchnorm; add b", 4},                         /* twice itself */
        {"a: linear 4; batchnorm; b: relu; concat a; linear 4; add b", 6}, /* the add follows a linear */
        {"a: linear 4; b: batchnorm; concat a; linear 4; add b; relu", 5}, /* read only later: moved there */
        {"a: linear 4; b: batchnorm; concat a; linear 4; batchnorm; add b; relu", 6}, /* two could take it: one does */
        {"a: linear 4; b: linear 4; concat a b; batchnorm; relu", 4},
        {"a: linear 4; b: linear 4; concat a a b; batchnorm; relu", 4},
        {"a: linear 4; b: linear 4; concat a b; batchnorm; c: relu; linear 8; add c", 6},
        {"a: linear 4; b: linear 4; c: concat a b; batchnorm; add c", 6}, /* the concat is read twice */
        {"a: linear 4; r: linear 8; concat a a; batchnorm; add r; relu", 6}, /* blocks take no residual */
        {"input 2x4x1; conv 4 1x1; batchnorm; relu; maxpool 2x2", 3},
        {"input 2x4x1; conv 4 1x1; batchnorm; maxpool 2x2; elu", 3},
        {"input 2x4x1; conv 4 1x1; batchnorm; maxpool 2x2; linear 3", 4},
        {"input 2x4x1; conv 4 1x1; batchnorm; maxpool 2x2; maxpool 1x2/1; relu", 5}, /* one pool only */
        {"input 2x4x1; conv 4 1x1; b: batchnorm; relu; maxpool 1x1; add b", 6},
        {"input 2x4x1; conv 4 1x1; batchnorm; p: maxpool 1x1; relu; add p", 5}, /* the pool is read twice */
        {"input 2x4x1; r: conv 4 1x1; conv 4 1x1; batchnorm; add r; relu; maxpool 2x2", 6}, /* a residual before it */
        {"input 2x4x1; a: conv 4 1x1; b: conv 4 1x1; concat a b; batchnorm; maxpool 2x2", 5}, /* blocks take no pool */
        {"input 2x4x1; conv 4 1x1; batchnorm; avgpool 2x2; relu", 5},
        {"linear 4; batchnorm; batchnorm; relu", 4},
        {"linear 4; batchnorm; relu; relu", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_graph *g = parse(cases[i].text, 8);
        if (g->nodes != cases[i].nodes)
            fail_msg("'%s' has %d nodes, not %d", cases[i].text, g->nodes, cases[i].nodes);
        for (int k = 1; k < g->nodes; k++) { /* still in order, still connected */
            assert_true(g->node[k].inputs > 0);
            for (int j = 0; j < g->node[k].inputs; j++)
                assert_in_range(g->node[k].in[j], 0, k - 1);
        }
        sm_graph_free(g);
    }
}

/* Shapes through windows (PyTorch's formula), flat for a linear; activations
 * fused into conv. */
static void images(void **state)
{
    (void)state;
    sm_graph *g = parse("input 28x28x1\nconv 64 8x8/2 pad 3; relu; conv 128 6x6/2; relu; b: conv 128 5x5; relu\nlinear 10", 784);
    assert_int_equal(g->nodes, 5); /* with the input */
    static const sm_shape want[] = {{28, 28, 1}, {14, 14, 64}, {5, 5, 128}, {1, 1, 128}, {1, 1, 10}};
    for (int i = 0; i < 5; i++) {
        const sm_node *d = &g->node[i];
        assert_true(d->shape.h == want[i].h && d->shape.w == want[i].w && d->shape.c == want[i].c);
        assert_int_equal(d->width, want[i].h * want[i].w * want[i].c);
        assert_int_equal(d->act, i > 0 && i < 4 ? KN_ACT_RELU : KN_ACT_NONE);
    }
    assert_int_equal(g->params, 64 * 64 + 64 + 128 * 36 * 64 + 128 + 128 * 25 * 128 + 128 + 1280 + 10);
    assert_string_equal(g->part[0].name, "1.weight");
    assert_true(g->part[0].ndim == 4 && g->part[0].shape[0] == 64 && g->part[0].shape[3] == 1);
    sm_graph_free(g);
    g = parse("input 7x9x2; a: conv 3 3x3 pad 1; elu; b: maxpool 3x2/2; concat b b; batchnorm; avgpool 2x2; globalpool", 126);
    const sm_node *last = &g->node[g->nodes - 1];
    assert_true(last->shape.h == 1 && last->shape.w == 1 && last->shape.c == 6);
    sm_graph_free(g);
}

static void errors_name_the_line(void **state)
{
    (void)state;
    refuse("", "no ops");
    refuse("# nothing\n;;\n", "no ops");
    refuse("relu", "nothing to train");
    refuse("linear 4\nlinea 4", "line 2: 'linea' is no op");
    refuse("linear 4\n\nx:", "line 3: a name, but no op");
    refuse("linear", "line 1: linear needs its number of outputs");
    refuse("linear 0", "line 1: linear needs");
    refuse("linear -3", "line 1: linear needs");
    refuse("linear 4.5", "line 1: linear needs");
    refuse("linear 65537", "line 1: linear needs");
    refuse("linear 99999999999999999999999", "line 1: linear needs");
    refuse("linear 4 bias", "line 1: behind the outputs");
    refuse("linear 4 nobias nobias", "line 1: behind the outputs");
    refuse("linear 4; batchnorm 3", "line 1: batchnorm takes nothing");
    refuse("linear 4; relu 3", "line 1: relu takes nothing");
    refuse("linear 4; dropout", "line 1: dropout needs");
    refuse("linear 4; dropout 1", "line 1: dropout needs");
    refuse("linear 4; dropout nan", "line 1: dropout needs");
    refuse("linear 4; add", "line 1: add needs the name");
    refuse("linear 4; add x", "line 1: no result above is named 'x'");
    refuse("linear 4; x: add x", "line 1: no result above is named 'x'");
    refuse("linear 4\nadd input", "line 2: add needs results of one shape, not 1x1x4 and 1x1x8");
    refuse("x: linear 8; x: relu", "line 1: the name 'x' is taken");
    refuse("input: linear 8", "line 1: the name 'input' is taken");
    refuse("3x: linear 8", "line 1: '3x' is no name");
    refuse(": linear 8", "line 1: '' is no name");
    refuse("linear 8; input", "input, the shape of what is read, stands before all ops");
    refuse("linear 8; concat", "line 1: concat needs the name");
    refuse("linear 8; concat input input input input input input input input input", "at most 8 results");
    refuse("linear 8; concat input input input input input input input input input input input input input", "at most");
    refuse("linear 8; concat input", "the result of op 1 (linear) is never read");
    refuse("input 2x2x3; linear 4", "an image of 2x2x3, but 8 numbers to a row");
    refuse("input 2x4; linear 4", "line 1: input needs a height, width");
    refuse("input 2x4x1 x; linear 4", "line 1: input needs a height, width");
    refuse("input 0x4x1; linear 4", "line 1: input needs a height, width");
    refuse("input 2x4x1; conv", "line 1: conv needs its number of channels");
    refuse("input 2x4x1; conv 4", "line 1: conv needs the size of its window");
    refuse("input 2x4x1; conv 4 3", "line 1: conv needs the size of its window");
    refuse("input 2x4x1; conv 4 2x2/0", "line 1: the stride of conv");
    refuse("input 2x4x1; conv 4 3x3", "line 1: a window of 3x3 does not fit an image of 2x4");
    refuse("input 2x4x1; conv 4 2x2 dilation 4", "line 1: a window of 5x5 does not fit");
    refuse("input 2x4x1; conv 4 2x2 pad -1", "line 1: pad of conv is a whole number from 0");
    refuse("input 2x4x1; conv 4 2x2 nobias pad 1", "line 1: behind the window of conv");
    refuse("input 2x4x1; conv 4 2x2; maxpool 1x2", "line 1: maxpool needs a stride");
    refuse("input 2x4x1; conv 4 2x2; maxpool 2x2 pad 2", "line 1: pad 2 would leave windows");
    refuse("input 2x4x1; conv 4 2x2; avgpool 1x1 nobias", "line 1: behind the window of avgpool");
    refuse("input 2x4x1; conv 4 2x2; globalpool 2x2", "line 1: globalpool takes nothing");
    refuse("input 2x4x1; conv 4 2x2; add input", "add needs results of one shape, not 1x3x4 and 2x4x1");
    refuse("input 2x4x1; a: conv 4 1x2; concat a input", "concat needs images of one size, not 2x3 and 2x4");
    refuse("input 2x4x1; conv 65537 1x1", "line 1: conv needs its number of channels");
    refuse("input 2x4x1; conv 60000 1x1 pad 4000", "numbers");
    refuse("a: linear 65536; b: concat a a; linear 1", "line 1: 131072 channels are more");
}

static void too_large_is_an_error(void **state)
{
    (void)state;
    kn_error err = {{0}};
    assert_null(sm_graph_parse("linear 4", 0, &err));
    assert_null(sm_graph_parse("linear 4", (size_t)SM_MAX_NUMBERS + 1, &err));
    kn_buf many = {0};
    for (int i = 0; i < SM_MAX_NODES; i++)
        assert_int_equal(kn_buf_adds(&many, "linear 65536\n", NULL), 0);
    assert_int_equal(kn_buf_add(&many, "", 1, NULL), 0);
    assert_null(sm_graph_parse(many.p, 8, &err));
    assert_non_null(strstr(err.text, "at most"));
    many.n -= 1 + strlen("linear 65536\n");
    many.p[many.n] = '\0';
    sm_graph *g = sm_graph_parse(many.p, 8, &err); /* 2^42 parameters: fine as text, not as a network */
    assert_non_null(g);
    kn_backend *be = kn_backend_naive(NULL);
    assert_null(sm_net_new(g, be, SIZE_MAX / 65536, true, &err));
    assert_non_null(strstr(err.text, "more than memory can address"));
    kn_backend_close(be);
    sm_graph_free(g);
    kn_buf_free(&many);
}

/* No bytes crash it; cut anywhere, a text is either a network or an error. */
static void hostile_text(void **state)
{
    (void)state;
    const char *text = "a: linear 8;b:batchnorm\n add a # x\n relu;concat b a;dropout .5;c-1: elu\n";
    char cut[128];
    int good = 0, bad = 0;
    for (size_t n = 0; n <= strlen(text); n++) {
        snprintf(cut, sizeof cut, "%.*s", (int)n, text);
        sm_graph *g = sm_graph_parse(cut, 8, NULL);
        good += g != NULL;
        bad += g == NULL;
        sm_graph_free(g);
    }
    assert_true(good > 0 && bad > 0);
    kn_rng r = kn_rng_new(7, 99, 0);
    static const char alphabet[] = "ab:;#\n\t 18.-_linear add concat \xff\x01";
    for (int i = 0; i < 2000; i++) {
        for (size_t k = 0; k < sizeof cut - 1; k++)
            cut[k] = alphabet[kn_rng_below(&r, sizeof alphabet - 1)];
        cut[sizeof cut - 1] = '\0';
        sm_graph_free(sm_graph_parse(cut, 8, NULL));
    }
}

static void networks_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"seed", "wide", "residual", "residual-post", "residual-dropout", "mlp3",
                                        "mlp2", "linear"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *text = sm_arch_text(names[i], 0, NULL), *dropped = sm_arch_text(names[i], 0.25, NULL);
        assert_non_null(text);
        sm_graph *g = parse(text, 100), *d = parse(dropped, 100);
        int linears = 0, drops = 0;
        for (int k = 0; k < d->nodes; k++) {
            linears += d->node[k].op == SM_LINEAR;
            drops += d->node[k].op == SM_DROPOUT && d->node[k].p == 0.25f;
        }
        assert_int_equal(drops, linears - 1); /* not before the first */
        assert_int_equal(d->params, g->params);
        for (int k = 1; k + 1 < g->nodes; k++)
            if (g->node[k].op == SM_LINEAR && g->node[k + 1].op == SM_BATCHNORM)
                assert_false(g->node[k].bias);
        sm_graph_free(g);
        sm_graph_free(d);
        kn_free(text);
        kn_free(dropped);
    }
}

static void networks_by_text_or_file(void **state)
{
    (void)state;
    kn_error err = {{0}};
    char *text = sm_arch_text("linear 3", 0, NULL);
    assert_string_equal(text, "linear 3");
    kn_free(text);
    text = sm_arch_text("x: linear 3;relu # last\nlinear 4 nobias", 0.5, NULL);
    assert_string_equal(text, "x: linear 3\nrelu\ndropout 0.5\nlinear 4 nobias\n");
    kn_free(text);
    test_write(test_path("net"), "linear 7\n", 9);
    text = sm_arch_text(test_path("net"), 0, &err);
    assert_string_equal(text, "linear 7\n");
    kn_free(text);
    test_write(test_path("net"), "linear 7\0\n", 10);
    assert_null(sm_arch_text(test_path("net"), 0, &err));
    assert_non_null(strstr(err.text, "no text of a network"));
    assert_null(sm_arch_text("sead", 0, &err));
    assert_non_null(strstr(err.text, "no built-in network"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_network_is_the_design),
        cmocka_unit_test(parts_are_named_and_tile_the_blocks),
        cmocka_unit_test(fusion_keeps_what_is_read_elsewhere),
        cmocka_unit_test(images),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(too_large_is_an_error),
        cmocka_unit_test(hostile_text),
        cmocka_unit_test(networks_by_name),
        cmocka_unit_test(networks_by_text_or_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
