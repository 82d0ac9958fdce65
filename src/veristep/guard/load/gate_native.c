/* The gate's hook in C: listed names cost one lookup in a set, and no Python code can take the hook's own
 * code away. What is judged is judged by the same Python functions as behind the hook in Python (gate.py),
 * which stands where this was not built. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#define TICK_EVENTS 4096

static PyObject *allowed, *unlisted, *actions, *failed, *refused, *tick;
static PyInterpreterState *home;
static unsigned long events;

/* Whether the interpreter goes on with what raised the event: 0, or -1 with an exception set. */
static int
outcome(PyObject *result)
{
    if (result != NULL) {
        Py_DECREF(result);
        return 0;
    }
    if (PyErr_ExceptionMatches(refused))
        return -1;
    /* An error of ours must not reach whoever raised the event. */
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *told = value ? PyObject_CallFunctionObjArgs(failed, value, NULL) : NULL;
    Py_XDECREF(told);
    PyErr_Clear();
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return 0;
}

/* Whether an event can be one of those that something is done at: most are not, and cost no more than this. */
static int
may_matter(const char *event)
{
    switch (event[0]) {
    case 'o':
        return event[1] == 'p' || event[1] == 's' || strcmp(event, "object.__setattr__") == 0;
    case 'e':
        return strcmp(event, "exec") == 0;
    case 'm':
        return strcmp(event, "marshal.loads") == 0;
    case 'c':
        return event[1] == 't';
    case 's':
        return event[1] == 'u';
    case 'p':
        return 1;
    default:
        return 0;
    }
}

static int
hook(const char *event, PyObject *args, void *data)
{
    (void)data;
    if (!Py_IsInitialized() || PyInterpreterState_Get() != home)
        return 0;
    if (++events % TICK_EVENTS == 0) {
        /* Refusing nothing, it tries whether the gate still stands. */
        PyObject *tried = PyObject_CallNoArgs(tick);
        Py_XDECREF(tried);
        PyErr_Clear();
    }
    if (!may_matter(event))
        return 0;
    PyObject *action;
    if (strcmp(event, "pickle.find_class") == 0) {
        int listed = PySet_Contains(allowed, args);
        if (listed == 1)
            return 0;
        if (listed < 0)
            PyErr_Clear();
        action = unlisted;
    }
    else {
        action = PyDict_GetItemString(actions, event);
        if (action == NULL)
            return 0;
    }
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL)
        return 0;
    Py_INCREF(frame);
    PyObject *result = PyObject_CallFunctionObjArgs(action, args, (PyObject *)frame, NULL);
    Py_DECREF(frame);
    return outcome(result);
}

static PyObject *
install(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *given[6];
    if (!PyArg_ParseTuple(args, "O!OO!OOO:install", &PyFrozenSet_Type, &given[0], &given[1], &PyDict_Type,
                          &given[2], &given[3], &given[4], &given[5]))
        return NULL;
    if (home != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the gate is in place already");
        return NULL;
    }
    allowed = Py_NewRef(given[0]);
    unlisted = Py_NewRef(given[1]);
    actions = Py_NewRef(given[2]);
    failed = Py_NewRef(given[3]);
    refused = Py_NewRef(given[4]);
    tick = Py_NewRef(given[5]);
    home = PyInterpreterState_Get();
    if (PySys_AddAuditHook(hook, NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"install", install, METH_VARARGS,
     "install(allowed, unlisted, actions, failed, refused, tick): add the hook; as `gate.hook`."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "gate_native", "The gate's hook in C.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit_gate_native(void)
{
    return PyModule_Create(&definition);
}
