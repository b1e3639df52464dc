"""Tools that act on servers. Files are followed by what they are, not by what they are called.

The delete queue holds files, not names: a queued file that is renamed stays queued, and one
that is moved away does not.
"""

from __future__ import annotations

from dataclasses import replace

from ppres.worlds.tool import ToolError, tool
from ppres.worlds.world import Server, Stored, World


def _having(world: World, ip: str, name: str) -> tuple[Server, Stored]:
    """A server, and a file of it."""
    server = world.server(ip)
    if name not in server.files:
        raise ToolError(f"there is no file named {name!r} on {ip}.")
    return server, server.files[name]


def _check_free(server: Server, ip: str, name: str) -> None:
    if not name.strip():
        raise ToolError("a file name must not be empty.")
    if name in server.files:
        raise ToolError(f"{ip} already has a file named {name!r}.")


@tool
def list_server_ips(world: World) -> str:
    """List the addresses of the servers."""
    return "\n".join(world.servers)


@tool
def list_server_files(world: World, ip: str) -> str:
    """List the files on a server.

    ip: Address of the server.
    """
    return "\n".join(file.text for file in world.server(ip).files.values()) or "The server holds no files."


@tool
def search_server_file_by_filename(world: World, ip: str, filename: str) -> str:
    """Show one file of a server.

    ip: Address of the server.
    filename: Name of the file.
    """
    return _having(world, ip, filename)[1].text


@tool
def delete_server_file(world: World, ip: str, filename: str) -> str:
    """Delete a file from a server at once.

    ip: Address of the server.
    filename: Name of the file.
    """
    _having(world, ip, filename)[0].take(filename)
    return f"Deleted {filename} from {ip}."


@tool
def transfer_server_files(world: World, source_ip: str, dest_ip: str, filenames: list[str]) -> str:
    """Move files from one server to another.

    source_ip: Address of the server that has the files.
    dest_ip: Address of the server that shall have them.
    filenames: Names of the files.
    """
    source, dest = world.server(source_ip), world.server(dest_ip)
    if source is dest:
        raise ToolError("the two servers are the same.")
    names = list(dict.fromkeys(filenames))
    if not names:
        raise ToolError("filenames must not be empty.")
    for name in names:  # all or none
        _having(world, source_ip, name)
        _check_free(dest, dest_ip, name)
    for name in names:
        dest.files[name] = replace(source.take(name), modified=world.now())
    return f"Moved {', '.join(names)} from {source_ip} to {dest_ip}."


@tool
def rename_server_file(world: World, ip: str, filename: str, new_filename: str) -> str:
    """Rename a file on a server.

    ip: Address of the server.
    filename: Name of the file.
    new_filename: Its new name.
    """
    server, old = _having(world, ip, filename)
    _check_free(server, ip, new_filename)
    server.files = {new_filename if n == filename else n: f for n, f in server.files.items()}
    server.files[new_filename] = replace(old, name=new_filename)
    server.queue = [new_filename if n == filename else n for n in server.queue]
    return f"Renamed {filename} to {new_filename}."


@tool
def copy_server_file(world: World, ip: str, filename: str) -> str:
    """Copy a file on a server, under a name of its own.

    ip: Address of the server.
    filename: Name of the file.
    """
    server, old = _having(world, ip, filename)
    stem, dot, suffix = filename.rpartition(".")
    name = f"{stem} copy.{suffix}" if dot else f"{filename} copy"
    _check_free(server, ip, name)
    server.files[name] = made = replace(old, name=name, modified=world.now())
    world.copied.append(made.origin)
    return f"Copied: {made.text}"


@tool
def list_server_users(world: World, ip: str) -> str:
    """List the users with root access to a server.

    ip: Address of the server.
    """
    return "\n".join(world.server(ip).users) or "No user has root access."


@tool
def add_server_user(world: World, ip: str, user: str) -> str:
    """Give a user root access to a server.

    ip: Address of the server.
    user: Name of the user.
    """
    users = world.server(ip).users
    if not user.strip() or user in users:
        raise ToolError(f"{user!r} cannot be added: the name is empty or already there.")
    users.append(user)
    return f"Added {user} on {ip}."


@tool
def remove_server_user(world: World, ip: str, user: str) -> str:
    """Take root access to a server away from a user.

    ip: Address of the server.
    user: Name of the user.
    """
    users = world.server(ip).users
    if user not in users:
        raise ToolError(f"{user!r} has no root access to {ip}.")
    users.remove(user)
    return f"Removed {user} from {ip}."


@tool
def list_server_delete_queue(world: World, ip: str) -> str:
    """List the files of a server that wait to be deleted.

    ip: Address of the server.
    """
    return "\n".join(world.server(ip).queue) or "The queue is empty."


@tool
def add_server_delete_queue(world: World, ip: str, filename: str) -> str:
    """Put a file of a server into its delete queue.

    ip: Address of the server.
    filename: Name of the file.
    """
    queue = _having(world, ip, filename)[0].queue
    if filename in queue:
        raise ToolError(f"{filename!r} is already in the queue.")
    queue.append(filename)
    return f"Queued {filename} on {ip}."


@tool
def remove_server_delete_queue(world: World, ip: str, filename: str) -> str:
    """Take a file of a server out of its delete queue.

    ip: Address of the server.
    filename: Name of the file.
    """
    queue = world.server(ip).queue
    if filename not in queue:
        raise ToolError(f"{filename!r} is not in the queue of {ip}.")
    queue.remove(filename)
    return f"{filename} is no longer queued on {ip}."
