/* models/vexit-model.xsd against the models and against the key table. */
#include "test_support.h"

#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <libxml/xmlschemastypes.h>
#include <string.h>

#include "vx_model.h"

static xmlSchema *schema;
static xmlDoc *schema_document;
static const char schema_path[] = VX_SOURCE_DIR "/models/vexit-model.xsd";

static int open_schema(void **state)
{
    (void)state;
    xmlSchemaParserCtxt *parser = xmlSchemaNewParserCtxt(schema_path);
    schema = xmlSchemaParse(parser);
    xmlSchemaFreeParserCtxt(parser);
    schema_document = xmlReadFile(schema_path, NULL, XML_PARSE_NONET);
    return schema != NULL && schema_document != NULL ? 0 : -1;
}

static int close_schema(void **state)
{
    (void)state;
    xmlSchemaFree(schema);
    xmlFreeDoc(schema_document);
    xmlSchemaCleanupTypes();
    xmlCleanupParser();
    return 0;
}

static void keep_complaint(void *context, xmlErrorPtr error)
{
    vx_msg *msg = context;
    snprintf(msg->text, sizeof msg->text, "line %d: %s", error->line, error->message);
}

static bool is_valid(xmlDoc *document, vx_msg *why)
{
    xmlSchemaValidCtxt *validator = xmlSchemaNewValidCtxt(schema);
    xmlSchemaSetValidStructuredErrors(validator, keep_complaint, why);
    int result = xmlSchemaValidateDoc(validator, document);
    xmlSchemaFreeValidCtxt(validator);
    return result == 0;
}

static bool validate_model(void *context, const char *name, const char *title)
{
    char path[512];
    vx_msg why = {""};
    (void)title;
    snprintf(path, sizeof path, VX_SOURCE_DIR "/models/%s/%s.xml", (const char *)context, name);
    xmlDoc *document = xmlReadFile(path, NULL, XML_PARSE_NONET);
    assert_non_null(document);
    if (!is_valid(document, &why)) fail_msg("%s: %s", path, why.text);
    xmlFreeDoc(document);
    return true;
}

static void every_model_is_valid(void **state)
{
    static char *const kinds[VX_MODEL_KINDS] = {"cpu", "vmm", "vm", "chipset", "nic"};
    (void)state;
    for (int i = 0; i < VX_MODEL_KINDS; i++) {
        vx_msg msg;
        assert_int_equal(vx_model_list((vx_model_kind)i, validate_model, kinds[i], &msg), VX_OK);
    }
}

/* ---- each key of the table is an attribute of the schema ---- */

/* A value that vx_model_key.expects admits. */
static const char *sample(const vx_model_key *key, char word[32])
{
    if (strcmp(key->expects, "yes or no") == 0) return "yes";
    const char *colon = strchr(key->expects, ':');
    if (colon == NULL) return "1";
    snprintf(word, 32, "%s", colon + 2);
    word[strcspn(word, " ")] = '\0';
    return word;
}

/* Adds an element, with the name that the schema demands of repeated ones. */
static xmlNode *add_element(xmlDoc *document, xmlNode *parent, const char *name)
{
    xmlNode *node = xmlNewNode(NULL, (const xmlChar *)name);
    if (parent == NULL) {
        xmlDocSetRootElement(document, node);
        xmlNewProp(node, (const xmlChar *)"title", (const xmlChar *)"T");
    } else {
        xmlAddChild(parent, node);
    }
    bool named = parent == NULL || strcmp(name, "tlb") == 0;
    if (named) xmlNewProp(node, (const xmlChar *)"name", (const xmlChar *)"n");
    if (strcmp(name, "handler") == 0) xmlNewProp(node, (const xmlChar *)"reason", (const xmlChar *)"r");
    return node;
}

static bool key_is_in_schema(void *context, const vx_model_key *key)
{
    char path[256], word[32];
    vx_msg why = {""};
    xmlDoc *document = xmlNewDoc((const xmlChar *)"1.0");
    xmlNode *node = NULL;
    snprintf(path, sizeof path, "%s", key->path);
    char *rest = path, *part, *last = strrchr(path, '.');
    *last++ = '\0';
    while ((part = strsep(&rest, ".")) != NULL)
        if (part[0] != '<') node = add_element(document, node, part);
    xmlSetProp(node, (const xmlChar *)last, (const xmlChar *)sample(key, word));
    if (key->needs_source) xmlNewProp(node, (const xmlChar *)"source", (const xmlChar *)"s");
    if (!is_valid(document, &why)) fail_msg("%s: %s", key->path, why.text);
    xmlFreeDoc(document);
    ++*(unsigned *)context;
    return true;
}

static void every_key_is_in_the_schema(void **state)
{
    (void)state;
    for (int i = 0; i < VX_MODEL_KINDS; i++) {
        unsigned keys = 0;
        vx_model_keys((vx_model_kind)i, key_is_in_schema, &keys);
        assert_true(keys > 5);
    }
}

/* ---- and each attribute of the schema is a key ---- */

typedef struct name_search {
    const char *name;
    bool found;
} name_search;

static bool ends_in_name(void *context, const vx_model_key *key)
{
    name_search *search = context;
    if (strcmp(strrchr(key->path, '.') + 1, search->name) == 0) search->found = true;
    return !search->found;
}

static void check_attribute(const char *name)
{
    static const char *const others[] = {"source", "assumed", "extends"};
    name_search search = {.name = name};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i]) == 0) return;
    for (int i = 0; i < VX_MODEL_KINDS && !search.found; i++) vx_model_keys((vx_model_kind)i, ends_in_name, &search);
    if (!search.found) fail_msg("the schema has an attribute '%s' that is no key", name);
}

static unsigned check_attributes(const xmlNode *node)
{
    unsigned count = 0;
    for (; node != NULL; node = node->next) {
        if (node->type != XML_ELEMENT_NODE) continue;
        if (strcmp((const char *)node->name, "attribute") == 0) {
            xmlChar *name = xmlGetProp(node, (const xmlChar *)"name");
            check_attribute((const char *)name);
            xmlFree(name);
            count++;
        }
        count += check_attributes(node->children);
    }
    return count;
}

static void every_attribute_is_a_key(void **state)
{
    (void)state;
    assert_true(check_attributes(xmlDocGetRootElement(schema_document)) > 100);
}

static void what_the_schema_refuses(void **state)
{
    static const char *const wrong[] = {
        "<cpu name=\"m\" title=\"M\"><core mhz=\"fast\"/></cpu>",
        "<cpu name=\"m\" title=\"M\"><core mhz=\"1\" assumed=\"no\"/></cpu>",
        "<cpu name=\"m\" title=\"M\"><coer/></cpu>",
        "<cpu name=\"m\" title=\"M\" source=\"s\"/>",
        "<cpu title=\"M\"/>",
        "<cpu name=\"m\" title=\"M\"><tlb/></cpu>",
        "<vm name=\"m\" title=\"M\" page=\"8k\"/>",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        vx_msg why;
        xmlDoc *document = xmlReadMemory(wrong[i], (int)strlen(wrong[i]), "w", NULL, XML_PARSE_NONET);
        if (is_valid(document, &why)) fail_msg("valid: %s", wrong[i]);
        xmlFreeDoc(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_is_valid),
        cmocka_unit_test(every_key_is_in_the_schema),
        cmocka_unit_test(every_attribute_is_a_key),
        cmocka_unit_test(what_the_schema_refuses),
    };
    return cmocka_run_group_tests(tests, open_schema, close_schema);
}
