/* Between options.c and tool.c only. */
#ifndef TOOL_PRIVATE_H
#define TOOL_PRIVATE_H

extern const char *tool_name;
void tool_catch_signals(void);

#endif
