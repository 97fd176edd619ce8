"""SCRIPT_NAME, PATH_INFO and the raw target, at the root and under mounts."""

from checks import check
from client import expect, request


def path_of(site, target, headers=()):
    environ = site.environ(target, headers=headers)
    return environ.get("SCRIPT_NAME"), environ.get("PATH_INFO")


def sees(site, target, script_name, path_info, headers=()):
    seen = path_of(site, target, headers)
    expect(seen == (script_name, path_info), f"{target}: SCRIPT_NAME, PATH_INFO = {seen}")


@check("path")
def decoded_once_as_latin_1(site):
    sees(site, "/environ/caf%C3%A9", "", "/environ/caf\xc3\xa9")
    sees(site, "/environ/%E4%25C3", "", "/environ/\xe4%C3")
    sees(site, "/environ/%FF%00x".replace("%00", ""), "", "/environ/\xffx")
    sees(site, "/environ/a%2520b+c", "", "/environ/a%20b+c")


@check("path")
def nothing_is_tidied_up(site):
    sees(site, "/environ//a///b", "", "/environ//a///b")
    sees(site, "/environ/a;b=1/c.", "", "/environ/a;b=1/c.")
    sees(site, "/environ/a/", "", "/environ/a/")


@check("path")
def the_raw_target_is_told(site):
    target = "/environ/caf%C3%A9%2Fx//y?q=%20"
    environ = site.environ(target)
    seen = [environ.get("REQUEST_URI"), environ.get("RAW_URI")]
    expect(target in seen, f"REQUEST_URI, RAW_URI = {seen}")


@check("mount")
def the_root_has_an_empty_name(site):
    sees(site, "/", "", "/")
    sees(site, "/environ", "", "/environ")


@check("mount", site="mounted")
def a_mount_is_the_script_name(site):
    sees(site, "/app", "/app", "")
    sees(site, "/app/", "/app", "/")
    sees(site, "/app/a%20b/", "/app", "/a b/")


@check("mount", site="mounted")
def a_mount_ends_at_a_segment(site):
    with site.connect() as connection:
        connection.send(request("GET", "/apple", ["Connection: close"]))
        answer = connection.answer()
    seen = (site.parsed(answer).get("SCRIPT_NAME") if answer.status == 200 else None) or ""
    expect(not seen.startswith("/app"), f"/apple: {answer.status} with SCRIPT_NAME {seen}")


@check("nested-mounts", site="nested")
def the_names_of_mounts_add_up(site):
    sees(site, "/outer/inner/x", "/outer/inner", "/x")
    sees(site, "/outer/inner", "/outer/inner", "")


@check("nested-mounts", site="behind")
def a_front_may_have_taken_the_prefix(site):
    header = site.server.prefix_header
    expect(header, "there is no way to tell it")
    sees(site, "/environ/x", "/front", "/environ/x", [f"{header}: /front"])
